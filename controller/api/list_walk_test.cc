// A walk over all pages of a list while rows are inserted yields each row that existed at its start
// exactly once: every list of the method table, with every filter it offers, by random page sizes.
// WALK_SEED=n repeats one seed.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>

#include <cstdlib>
#include <random>
#include <semaphore>
#include <set>
#include <thread>

#include "controller/api/api_service_testing.h"
#include "controller/api/method_table.h"
#include "controller/api/request_cases_testing.h"
#include "controller/api/story_testing.h"

namespace databuild {
namespace {

namespace pb = google::protobuf;
using MessagePtr = std::unique_ptr<pb::Message>;

constexpr uint64_t kSeeds = 5;
constexpr int kStories = 25;          // at the start
constexpr int kStoriesInAWalk = 6;    // inserted while one walk is under way
constexpr size_t kPagesInAWalk = 40;  // about

const pb::FieldDescriptor* Field(const pb::Message& message, const char* name) {
  return message.GetDescriptor()->FindFieldByName(name);
}

MessagePtr AnswerOf(const Method& method) {
  const auto* type = pb::DescriptorPool::generated_pool()
                         ->FindServiceByName(method.service)
                         ->FindMethodByName(method.name)
                         ->output_type();
  return MessagePtr(pb::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

// What tells one row from another: what its first field says.
std::string Identity(const pb::Message& row) {
  const auto* first = row.GetDescriptor()->FindFieldByNumber(1);
  if (first->message_type() != nullptr)
    return Identity(row.GetReflection()->GetMessage(row, first));
  return row.GetReflection()->GetString(row, first);
}

const pb::FieldDescriptor* RowsField(const pb::Descriptor& type) {
  const pb::FieldDescriptor* rows = nullptr;
  for (int i = 0; i < type.field_count(); ++i) {
    const auto* field = type.field(i);
    if (!field->is_repeated() || field->is_map() || field->message_type() == nullptr) continue;
    if (rows == nullptr || field->number() < rows->number()) rows = field;
  }
  return rows;
}

bool IsList(const Method& method) {
  if (method.name == "JobLogs") return false;  // pages of a text that grows at its end
  const MessagePtr answer = AnswerOf(method);
  return Field(*answer, "has_more") != nullptr && RowsField(*answer->GetDescriptor()) != nullptr;
}

class ListWalks : public ApiServiceTest {
 protected:
  std::string NewName() {
    std::string name;
    do {
      name = "s" + std::to_string(random_() % 100'000);
    } while (!names_.insert(name).second);
    return name;
  }
  void Insert(const std::string& name) {
    auto events = Story(name).Tell();
    const size_t cut = 1 + events.size() / 2;  // in two batches: walks see unfinished stories too
    std::vector<v1::BuildEvent> rest(events.begin() + static_cast<ptrdiff_t>(cut), events.end());
    events.resize(cut);
    ASSERT_TRUE(log().Append(std::move(events)).ok());
    ASSERT_TRUE(log().Append(std::move(rest)).ok());
  }

  // A random value that this world knows; nullopt: the field is no filter.
  std::optional<Json> FilterValue(const pb::FieldDescriptor& field) {
    static const std::set<std::string> kNoFilters = {
        "graph", "page_size", "page_token", "limit", "offset", "wait_ms", "include", "since_idx"};
    if (kNoFilters.contains(field.name())) return std::nullopt;
    const auto wrap = [&](Json value) {
      return field.is_repeated() ? Json::array({std::move(value)}) : std::move(value);
    };
    if (field.enum_type() != nullptr) {
      Json all = Json::array();
      for (int i = 1; i < field.enum_type()->value_count();
           i += 1 + static_cast<int>(random_() % 2))
        all.push_back(field.enum_type()->value(i)->name());
      return field.is_repeated() ? all : all[0];
    }
    if (field.cpp_type() == pb::FieldDescriptor::CPPTYPE_BOOL) return wrap(random_() % 2 == 0);
    if (field.cpp_type() != pb::FieldDescriptor::CPPTYPE_STRING) return TimeInTheMiddle();
    const auto known = KnownText(field.name());
    if (!known || known->find("s1") == std::string::npos) return wrap(known.value_or("s"));
    if (!field.is_repeated()) return wrap(std::string(*known).replace(known->find("s1"), 2, "s"));
    Json some = Json::array();
    for (const std::string& name : names_) {
      if (random_() % 2 == 0)
        some.push_back(std::string(*known).replace(known->find("s1"), 2, name));
    }
    return some;
  }

  Json TimeInTheMiddle() {
    const auto events = ReadWhole(log());
    return events[events.size() / 2 + random_() % (events.size() / 2)].timestamp();
  }

  // What must be named: a random one.
  Json Base(const Method& method) {
    Json base = Json::object();
    for (const FieldPath& path : FieldPaths(*method.request->GetDescriptor(), 1)) {
      const std::string name = path[0]->name();
      if (path[0]->is_repeated() || !name.ends_with("_id")) continue;
      const auto known = KnownText(name);
      if (known) base[path[0]->json_name()] = "s" + first_ + known->substr(2);
    }
    return base;
  }

  // Every identity on the way, in order. Calls between() after each page.
  std::vector<std::string> Walk(const Method& method, const Json& asked, uint32_t size,
                                const std::function<void()>& between) {
    MessagePtr request(method.request->New());
    EXPECT_TRUE(pb::util::JsonStringToMessage(asked.dump(), request.get()).ok()) << asked;
    const auto& set = *request->GetReflection();
    if (const auto* field = Field(*request, "page_size"))
      set.SetUInt32(request.get(), field, size);
    else
      set.SetInt64(request.get(), Field(*request, "limit"), size);
    std::vector<std::string> seen;
    for (int page = 0; page < 100'000; ++page) {
      const TestResponse response =
          Rpc(method.service.substr(sizeof("databuild.v1.") - 1) + "/" + method.name,
              request->SerializeAsString(), "Content-Type: application/proto\r\n");
      MessagePtr answer = AnswerOf(method);
      EXPECT_TRUE(response.status == 200 && answer->ParseFromString(response.body))
          << response.status << response.body;
      const auto& get = *answer->GetReflection();
      const auto* rows = RowsField(*answer->GetDescriptor());
      EXPECT_LE(get.FieldSize(*answer, rows), static_cast<int>(size));
      for (int i = 0; i < get.FieldSize(*answer, rows); ++i)
        seen.push_back(Identity(get.GetRepeatedMessage(*answer, rows, i)));
      if (response.status != 200 || !get.GetBool(*answer, Field(*answer, "has_more"))) return seen;
      if (const auto* token = Field(*request, "page_token")) {
        set.SetString(request.get(), token,
                      get.GetString(*answer, Field(*answer, "next_page_token")));
      } else {
        set.SetInt64(request.get(), Field(*request, "since_idx"),
                     get.GetInt64(*answer, Field(*answer, "next_idx")));
      }
      between();
    }
    ADD_FAILURE() << "the walk does not end";
    return seen;
  }

  void Check(const Method& method, const Json& asked) {
    SCOPED_TRACE(method.name + " " + asked.dump().substr(0, 300));
    const auto still = Walk(method, asked, 500, [] {});
    const std::set<std::string> before(still.begin(), still.end());
    ASSERT_EQ(before.size(), still.size()) << "a row came twice while nothing moved";
    const uint32_t sizes[] = {1, 2, 3, 7, 19, 50};
    const uint32_t size =
        std::max(sizes[random_() % 6], static_cast<uint32_t>(before.size() / kPagesInAWalk));
    std::vector<std::string> names;
    for (int i = 0; i < kStoriesInAWalk; ++i) names.push_back(NewName());
    std::counting_semaphore<> turns(1);
    std::jthread inserting([&](std::stop_token stop) {
      for (const std::string& name : names) {
        turns.acquire();
        if (stop.stop_requested()) return;
        Insert(name);
      }
    });
    const auto seen = Walk(method, asked, size, [&] { turns.release(); });
    inserting.request_stop();
    turns.release();
    inserting.join();
    std::set<std::string> once;
    for (const std::string& row : seen)
      EXPECT_TRUE(once.insert(row).second) << row << " came twice, pages of " << size;
    for (const std::string& row : before)
      EXPECT_TRUE(once.contains(row)) << row << " was left out, pages of " << size;
    rows_ += before.size();
  }

  void CheckEveryFilter(const Method& method) {
    const Json base = Base(method);
    Check(method, base);
    const size_t deep = method.service.ends_with("GraphService") || method.name == "GetBuildEvents";
    for (const FieldPath& path : FieldPaths(*method.request->GetDescriptor(), 1 + deep)) {
      if (path.back()->message_type() != nullptr || base.contains(path[0]->json_name())) continue;
      const auto value = FilterValue(*path.back());
      if (!value || value->empty()) continue;
      Json asked = base;
      PutJson(path, *value, asked);
      Check(method, asked);
    }
  }

  void Run(uint64_t seed) {
    SCOPED_TRACE("WALK_SEED=" + std::to_string(seed));
    random_.seed(seed);
    for (int i = 0; i < kStories; ++i) {
      const std::string name = NewName();
      if (i == 0) first_ = name.substr(1);
      Insert(name);
    }
    int lists = 0;
    const MethodTable table = MakeMethodTable();
    for (const Method& method : table.methods()) {
      if (!IsList(method)) continue;
      CheckEveryFilter(method);
      ++lists;
    }
    EXPECT_GE(lists, 8);
    EXPECT_GT(rows_, 10'000u) << "filters that match nothing prove nothing";
  }

  std::mt19937_64 random_;
  std::set<std::string> names_;
  std::string first_;  // number of the first story
  size_t rows_ = 0;
};

class SeededListWalks : public ListWalks, public testing::WithParamInterface<uint64_t> {};

TEST_P(SeededListWalks, YieldEachRowOfTheirStartOnceWhileOthersInsert) {
  const char* chosen = std::getenv("WALK_SEED");
  Run(chosen != nullptr ? std::strtoull(chosen, nullptr, 10) : GetParam());
}

INSTANTIATE_TEST_SUITE_P(Seeds, SeededListWalks, testing::Range<uint64_t>(1, kSeeds + 1));

}  // namespace
}  // namespace databuild
