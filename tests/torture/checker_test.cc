// The checker objects to every kind of breach, and to nothing else.
#include <functional>

#include "gtest/gtest.h"
#include "tests/torture/history.h"

namespace databuild::torture {
namespace {

LoggedEvent Event(int64_t idx, const std::string& tag, int part = 0) {
  return {idx, idx * 10, 1, tag + "/" + std::to_string(part), tag, part, "torture/1/" + tag};
}

// Batches a (two events), b, c; one after the other. Everything as it should be.
struct World {
  std::vector<LoggedEvent> log = {Event(1, "a"), Event(2, "a", 1), Event(3, "b"), Event(4, "c")};
  std::vector<AppendSeen> appends = {
      {"a", 2, 10, 20, {1, 2}}, {"b", 1, 30, 40, {3}}, {"c", 1, 50, 60, {4}}};
  PollSeen poll = Page({Filter::Kind::kAll, ""}, 0, 4);

  PollSeen Page(Filter filter, int64_t since, int64_t next) const {
    PollSeen page{"r", filter, since, next, 4, 1, next < 4, "log", 0, 0};
    for (int64_t idx = since + 1; idx <= next; ++idx) {
      const LoggedEvent& event = log[static_cast<size_t>(idx - 1)];
      if (!filter.Matches(event.tag, event.ref)) continue;
      ++page.count;
      page.hash = HashEvent(page.hash, event.idx, event.event_id);
    }
    return page;
  }
  std::vector<std::string> Judge() const {
    History history;
    for (const AppendSeen& seen : appends) history.Add(seen);
    history.Add(poll);
    return Check(history, log);
  }
};

TEST(Checker, AGoodHistoryIsAccepted) {
  World world;
  EXPECT_EQ(world.Judge(), std::vector<std::string>());
  for (const Filter& filter :
       {Filter{Filter::Kind::kBatch, "a"}, Filter{Filter::Kind::kRef, "torture/1/b"},
        Filter{Filter::Kind::kGroup, "torture/1"}}) {
    world.poll = world.Page(filter, 1, 3);
    EXPECT_EQ(world.Judge(), std::vector<std::string>()) << filter.Text();
  }
  world.appends[2].acknowledged = 0;             // outcome unknown, and there: allowed
  world.appends.push_back({"d", 2, 70, 0, {}});  // unknown, and not there: allowed
  EXPECT_EQ(world.Judge(), std::vector<std::string>());
}

TEST(Checker, EveryBreachIsFoundAndNamed) {
  struct Case {
    const char* kind;
    std::function<void(World&)> breach;
  };
  const std::vector<Case> cases = {
      {"lost",
       [](World& w) {
         w.appends.push_back({"d", 1, 70, 80, {5}});
       }},
      {"gap", [](World& w) { w.log[3].idx = 5; }},
      {"double", [](World& w) { w.log[3].event_id = w.log[0].event_id; }},
      {"time", [](World& w) { w.log[3].ts = w.log[2].ts; }},
      {"epoch", [](World& w) { w.log[0].epoch = 2; }},
      {"phantom", [](World& w) { w.appends.pop_back(); }},
      {"torn", [](World& w) { w.appends[1].events = 2; }},
      {"torn", [](World& w) { std::swap(w.log[0].part, w.log[1].part); }},
      {"moved", [](World& w) { w.appends[1].idx = {4}; }},
      {"inversion", [](World& w) { w.appends[2].invoked = 1, w.appends[2].acknowledged = 5; }},
      {"poll", [](World& w) { --w.poll.count; }},
      {"poll", [](World& w) { ++w.poll.hash; }},
      {"poll", [](World& w) { w.poll.next = 5; }},
      {"poll", [](World& w) { w.poll.next = -1; }},
      {"poll", [](World& w) { w.poll.has_more = true; }},
      {"poll", [](World& w) { w.poll.head = 9; }},
      {"batch b was acknowledged twice",
       [](World& w) {
         w.appends.push_back({"b", 1, 30, 45, {4}});
       }},
  };
  for (const Case& one : cases) {
    World world;
    one.breach(world);
    std::string all;
    for (const std::string& breach : world.Judge()) all += breach + "\n";
    EXPECT_NE(all.find(one.kind), std::string::npos) << one.kind << " was not found in: " << all;
  }
}

TEST(Checker, AReaderThatIsShownThePastIsFound) {
  const World world;
  History history;
  for (const AppendSeen& seen : world.appends) history.Add(seen);
  history.Add(world.poll);
  PollSeen older = world.Page({Filter::Kind::kAll, ""}, 0, 2);
  older.head = 3;
  history.Add(older);
  const auto found = Check(history, world.log);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].starts_with("reader")) << found[0];
}

TEST(Checker, LinesComeBackAndHalfLinesAreIgnored) {
  const World world;
  History history;
  for (const AppendSeen& seen : world.appends) {
    const std::string line = AppendLine(seen);
    EXPECT_TRUE(history.Add(line.substr(0, line.size() - 1)));
    EXPECT_FALSE(history.Add(line.substr(0, line.size() / 2)));
  }
  const std::string poll = PollLine(world.poll);
  EXPECT_TRUE(history.Add(poll.substr(0, poll.size() - 1)));
  EXPECT_FALSE(history.Add(poll.substr(0, poll.size() - 3)));
  EXPECT_EQ(Check(history, world.log), std::vector<std::string>());
  EXPECT_EQ(history.appends().at("a").idx, (std::vector<int64_t>{1, 2}));
}

}  // namespace
}  // namespace databuild::torture
