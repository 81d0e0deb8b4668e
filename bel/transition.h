// The state machines of the log, as one table. Strict on append: an event that is not a legal next
// state is refused and counted. Total on replay: the fold accepts every history ever written.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "bel/base/result.h"

namespace databuild::v1 {
class BuildEvent;
}

namespace databuild {

enum class EntityKind { kInstance, kRun, kBuild, kWant, kTaint };
inline constexpr size_t kEntityKinds = 5;
const char* EntityKindName(EntityKind kind);

// What one event does to one entity. A mark may be set once and moves nothing.
struct Transition {
  EntityKind kind = EntityKind::kInstance;
  std::string id;
  int to = 0;        // the enum value of the entity's status; unused for a mark
  std::string mark;  // empty: a change of status
};

// The transition of an event; nullopt for events that concern no single entity (definitions,
// delegations, adoptions). UNKNOWN statuses and missing ids are errors.
Result<std::optional<Transition>> TransitionOf(const v1::BuildEvent& event);

// Looks up what is known of an entity: the fold, or the fold with batches in flight laid over it.
class StatusView {
 public:
  virtual ~StatusView() = default;
  virtual std::optional<int> StatusOf(EntityKind kind, std::string_view id) const = 0;
  virtual bool HasMark(EntityKind kind, std::string_view id, std::string_view mark) const = 0;
};

// The transition of an event that may follow what the view knows. kInvalidTransition names the
// entity, from and to.
Result<std::optional<Transition>> LegalTransition(const StatusView& view,
                                                  const v1::BuildEvent& event);
// The same for who wants no more than to know.
Status CheckTransition(const StatusView& view, const v1::BuildEvent& event);

// Status names without prefix, lower case: "building", "analysis_completed"; "-" for none.
std::string StatusName(EntityKind kind, std::optional<int> status);

// True for states that nothing leaves.
bool IsFinal(EntityKind kind, int status);

}  // namespace databuild
