// A build as a flow chart in mermaid's language.
#include <array>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "bel/query.h"
#include "bel/query_page.h"
#include "bel/query_render.h"

namespace databuild {
namespace {

constexpr size_t kMaxNodes = 200;
constexpr size_t kMaxRefsInNode = 5;

// Colours of the states; text on them is black.
constexpr std::array<std::pair<const char*, const char*>, 8> kClasses{{
    {"requested", "#e8eaed"},
    {"analyzed", "#d6e4ff"},
    {"building", "#9ec5fe"},
    {"available", "#b7e4c7"},
    {"failed", "#f5b5b5"},
    {"cancelled", "#d3d3d3"},
    {"delegated", "#e6d5f7"},
    {"absent", "#fff3c4"},
}};

// Text inside a quoted label: what mermaid or HTML would read as its own becomes an entity.
std::string Label(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        byte >= 0x80 || (byte >= 0x20 && byte != 0x7f &&
                         std::string_view("\"#<>&;`\\").find(c) == std::string::npos);
    out += plain ? std::string(1, c) : "#" + std::to_string(byte) + ";";
  }
  return out;
}

struct Node {
  std::string text;  // a label
  std::string state;
  bool round = false;  // not made by this build
};

using Edge = std::tuple<size_t, size_t, bool>;  // from, to, whether it is waited for

// Nodes and edges of one chart, drawn as they come.
class Chart {
 public:
  explicit Chart(const BuildState& state, Index build) : state_(state), build_(build) {}

  std::string Draw() {
    if (state_.build(build_).units.size() <= kMaxNodes) Collect(false);
    if (nodes_.empty() || nodes_.size() > kMaxNodes) Collect(true);
    std::string text = "flowchart LR\n";
    std::set<std::string> used;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const Node& node = nodes_[i];
      text += "  n" + std::to_string(i) + (node.round ? "([\"" : "[\"") + node.text +
              (node.round ? "\"])" : "\"]") + ":::" + node.state + "\n";
      used.insert(node.state);
    }
    for (const auto& [from, to, waited] : edges_) {
      text += "  n" + std::to_string(from) + (waited ? " --> n" : " -.-> n") + std::to_string(to) +
              "\n";
    }
    for (const auto& [state, colour] : kClasses) {
      if (used.contains(state))
        text += "  classDef " + std::string(state) + " fill:" + colour + ",color:#000\n";
    }
    return text;
  }

 private:
  // `folded`: all units of a job are one node.
  void Collect(bool folded) {
    nodes_.clear();
    edges_.clear();
    made_by_.clear();
    folded_ = folded;
    for (const Index unit : state_.build(build_).units) AddUnit(unit);
    for (const auto& [job, units] : jobs_) AddJob(job, units);
    for (const Index unit : state_.build(build_).units) AddInputs(unit);
    if (const Index want = state_.build(build_).want; want != kNone) {
      for (const Index partition : state_.want(want).partitions) {
        if (!made_by_.contains(partition)) NodeOfOther(partition);
        if (!folded_ && nodes_.size() > kMaxNodes) return;
      }
    }
  }

  const char* StateOf(const Unit& unit) const {
    const Index instance = unit.instances.empty() ? kNone : unit.instances[0];
    return StateName(instance == kNone ? v1::PARTITION_REQUESTED
                                       : state_.instance(instance).status);
  }

  static const char* StateName(v1::PartitionStatus status) {
    switch (status) {
      case v1::PARTITION_REQUESTED:
        return "requested";
      case v1::PARTITION_ANALYZED:
        return "analyzed";
      case v1::PARTITION_BUILDING:
        return "building";
      case v1::PARTITION_AVAILABLE:
        return "available";
      case v1::PARTITION_FAILED:
        return "failed";
      case v1::PARTITION_CANCELLED:
        return "cancelled";
      default:
        return "absent";
    }
  }

  void AddUnit(Index index) {
    const Unit& unit = state_.unit(index);
    if (folded_) {
      jobs_[unit.job].push_back(index);
      return;
    }
    std::string text = unit.job == kNone ? "?" : Label(state_.job(unit.job).label);
    for (size_t i = 0; i < unit.partitions.size(); ++i) {
      if (i == kMaxRefsInNode) {
        text += "<br/>and " + std::to_string(unit.partitions.size() - i) + " more";
        break;
      }
      text += "<br/>" + Label(state_.partition(unit.partitions[i]).ref);
    }
    for (const Index partition : unit.partitions) made_by_[partition] = nodes_.size();
    nodes_.push_back({std::move(text), StateOf(unit), false});
  }

  void AddJob(Index job, const std::vector<Index>& units) {
    std::map<std::string, size_t> states;
    for (const Index index : units) {
      ++states[StateOf(state_.unit(index))];
      for (const Index partition : state_.unit(index).partitions)
        made_by_[partition] = nodes_.size();
    }
    std::string text = job == kNone ? "?" : Label(state_.job(job).label);
    for (const auto& [state, colour] : kClasses) {
      if (states.contains(state)) text += "<br/>" + std::to_string(states[state]) + " " + state;
    }
    // What needs attention first gives the colour.
    const char* shown = "available";
    for (const char* state : {"failed", "building", "analyzed", "requested", "cancelled"}) {
      if (!states.contains(state)) continue;
      shown = state;
      break;
    }
    nodes_.push_back({std::move(text), shown, false});
  }

  void AddInputs(Index index) {
    const Unit& unit = state_.unit(index);
    if (unit.partitions.empty()) return;
    const size_t to = made_by_[unit.partitions[0]];
    for (const UnitInput& input : unit.inputs) {
      const auto made = made_by_.find(input.partition);
      const size_t from = made != made_by_.end() ? made->second : NodeOfOther(input.partition);
      edges_.insert({from, to, input.materialize != 0});
      if (!folded_ && nodes_.size() > kMaxNodes) return;
    }
  }

  // A partition that this build does not make.
  size_t NodeOfOther(Index partition) {
    const auto& delegations = state_.build(build_).delegations;
    const bool delegated = delegations.contains(partition) && !state_.Usable(partition);
    const std::string state = delegated ? "delegated" : StateName(state_.RefStatus(partition));
    if (!folded_) {
      made_by_[partition] = nodes_.size();
      nodes_.push_back({Label(state_.partition(partition).ref), state, true});
      return nodes_.size() - 1;
    }
    const std::string key = "of other builds: " + state;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].round && nodes_[i].text == key) return made_by_[partition] = i;
    }
    nodes_.push_back({key, state, true});
    return made_by_[partition] = nodes_.size() - 1;
  }

  const BuildState& state_;
  const Index build_;
  bool folded_ = false;
  std::vector<Node> nodes_;
  std::set<Edge> edges_;
  std::map<Index, size_t> made_by_;  // partition to node
  std::map<Index, std::vector<Index>> jobs_;
};

}  // namespace

Result<v1::BuildMermaidResponse> GetBuildMermaid(const QueryView& view,
                                                 const v1::BuildSummaryRequest& request) {
  ASSIGN_OR_RETURN(const Index build, BuildOf(view, "build_id", request.build_id()));
  if (request.include_size() > 0) return FieldError("include", "a chart holds nothing more");
  // A chart has no pages: a token is always another list's.
  const auto page = StartPage(request, "GetBuildMermaid/" + view.graph);
  if (!page.ok()) return page.error();
  v1::BuildMermaidResponse response;
  response.set_event_index(view.state.idx());
  response.set_build_id(view.state.build(build).id);
  response.set_mermaid(Chart(view.state, build).Draw());
  return response;
}

}  // namespace databuild
