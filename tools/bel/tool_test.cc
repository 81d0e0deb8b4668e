// databuild-bel against SQLite: every command, and every way in which it refuses.
#include <algorithm>
#include <atomic>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "bel/base/crc32c.h"
#include "bel/event_codec.h"
#include "bel/log_base.h"
#include "bel/log_keeper.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"
#include "tools/bel/tool_testing.h"

namespace databuild {
namespace {

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

class BelTool : public testing::Test {
 protected:
  std::string Uri(const std::string& name = "bel.db") { return "sqlite://" + folder_.File(name); }
  std::string Dump(const std::string& uri) {
    const ToolRun dumped = RunTool({"dump", "--bel", uri});
    EXPECT_EQ(dumped.code, 0) << dumped.err;
    return dumped.out;
  }
  ToolRun Load(const std::string& dump, const std::string& name = "new.db",
               std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"load", "--bel", Uri(name), "-"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunTool(arguments, dump);
  }
  // Appends one event past every rule but the storage's own.
  void AppendRaw(v1::BuildEvent event, int64_t idx) {
    const auto storage = OpenInitialized(Uri());
    const Acquired log = storage->Acquire({"sales", "w", "cluster-1"}).value();
    event.set_idx(idx);
    event.set_timestamp(log.last_ts + 1);
    const std::vector<StoredEvent> one = {EncodeEvent(event).value()};
    ASSERT_TRUE(storage->Append("sales", log.epoch, idx - 1, one).ok());
  }

  // 1,500 events of which retention has given up the first 1,000. The digest of the whole.
  std::string WriteLogWithFloor() {
    WriteCorpus(Uri(), "sales", 1'500);
    const std::string digest = DigestIn(RunTool({"verify", "--bel", Uri()}).out);
    const auto storage = OpenInitialized(Uri());
    const Acquired log = storage->Acquire({"sales", "keeper", "cluster-1"}).value();
    BuildState state;
    Postings postings;
    EventDecoder decoder;
    EventView view;
    const StoredPage first = storage->List("sales", {0, 1'200, 64 << 20}).value();
    for (const StoredEvent& event : first.events) {
      CHECK(decoder.Decode(event.payload, view));
      state.Apply(view);
      postings.Add(view, state);
    }
    const auto base = StoreBase({storage.get(), "sales", log.epoch}, state, postings);
    EXPECT_TRUE(base.ok());
    EXPECT_TRUE(storage->FinishBase("sales", log.epoch, *base).ok());
    KeepOptions keep;
    keep.segment_events = 100;
    keep.max_events = 500;
    EXPECT_EQ(KeepLog(*storage, {"sales", log.epoch}, keep, 0)->floor, 1'000);
    return digest;
  }

  TempFolder folder_;
};

TEST_F(BelTool, ALogWithAFloorIsCheckedAndCopiedWithItsBase) {
  const std::string digest = WriteLogWithFloor();
  const ToolRun verified = RunTool({"verify", "--bel", Uri()});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  EXPECT_EQ(DigestIn(verified.out), digest);
  EXPECT_NE(verified.out.find("500 events, idx 1001 to 1500"), std::string::npos) << verified.out;
  EXPECT_NE(verified.out.find("a base of idx 1200 stands for them"), std::string::npos);
  EXPECT_NE(RunTool({"stats", "--bel", Uri()}).out.find(digest), std::string::npos);
  const ToolRun below = RunTool({"tail", "--bel", Uri(), "--since", "5"});
  EXPECT_NE(below.err.find("the floor is 1000"), std::string::npos) << below.err;

  const std::string dump = Dump(Uri());
  EXPECT_NE(Lines(dump).front().find("\"floor\":\"1000\""), std::string::npos);
  const ToolRun loaded = Load(dump);
  EXPECT_EQ(loaded.code, 0) << loaded.err;
  EXPECT_NE(loaded.out.find("loaded 500 events"), std::string::npos) << loaded.out;
  const ToolRun copy = RunTool({"verify", "--bel", Uri("new.db")});
  EXPECT_EQ(copy.code, 0) << copy.out << copy.err;
  EXPECT_EQ(DigestIn(copy.out), digest);
  // The same but for the log's new identity.
  std::vector<std::string> original = Lines(dump), again = Lines(Dump(Uri("new.db")));
  ASSERT_EQ(again.size(), original.size());
  EXPECT_TRUE(std::equal(again.begin() + 1, again.end() - 500, original.begin() + 1));
}

TEST_F(BelTool, ADumpWhoseBaseIsDamagedOrMissingIsRefused) {
  WriteLogWithFloor();
  const std::vector<std::string> lines = Lines(Dump(Uri()));
  const auto refused = [&](const std::vector<std::string>& changed, const std::string& says) {
    const ToolRun run = Load(Joined(changed));
    EXPECT_EQ(run.code, 1);
    EXPECT_NE(run.err.find(says), std::string::npos) << run.err;
  };
  std::vector<std::string> changed = lines;
  const size_t at = changed[1].find("\"bytes\":\"") + 5'000;
  changed[1][at] = changed[1][at] == 'A' ? 'B' : 'A';
  refused(changed, "line 2: the base does not match its checksum");
  changed = lines;
  changed.erase(changed.begin() + 1);
  refused(changed, "line 2: ");
  // Nothing of it is in the way of the whole dump.
  EXPECT_EQ(Load(Joined(lines)).code, 0);
}

TEST_F(BelTool, VerifySaysThatAGoodLogIsInOrderAndGivesItsDigest) {
  WriteCorpus(Uri(), "sales", 1'500);
  const ToolRun first = RunTool({"verify", "--bel", Uri()});
  EXPECT_EQ(first.code, 0) << first.out << first.err;
  EXPECT_NE(first.out.find("sales: in order; 1,500 events, idx 1 to 1500"), std::string::npos)
      << first.out;
  EXPECT_EQ(DigestIn(first.out).size(), 16u) << first.out;
  EXPECT_EQ(DigestIn(RunTool({"verify", "--bel", Uri()}).out), DigestIn(first.out));
  WriteCorpus(Uri("longer.db"), "sales", 1'501);
  EXPECT_NE(DigestIn(RunTool({"verify", "--bel", Uri("longer.db")}).out), DigestIn(first.out));
}

TEST_F(BelTool, VerifyNamesEveryBrokenRule) {
  WriteCorpus(Uri(), "sales", 300);
  Corpus corpus(11);
  v1::BuildEvent illegal = corpus.NextEvent();  // its event_id stands in the log already
  illegal.clear_job_definition_event();
  illegal.mutable_want_event()->set_want_id("w");
  illegal.mutable_want_event()->set_lifecycle(v1::WANT_SATISFIED);  // never created
  AppendRaw(illegal, 301);
  const ToolRun run = RunTool({"verify", "--bel", Uri()});
  EXPECT_EQ(run.code, 1);
  EXPECT_NE(run.out.find("sales: idx 301: want w: from - to satisfied"), std::string::npos)
      << run.out;
  EXPECT_NE(run.out.find("stands twice"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("sales: NOT in order"), std::string::npos);
}

TEST_F(BelTool, VerifyFindsColumnsThatDifferFromThePayload) {
  {
    const auto storage = OpenInitialized(Uri());
    const Acquired log = storage->Acquire({"sales", "w", "cluster-1"}).value();
    StoredEvent event = Corpus(1).Next();
    event.ts += 5;
    event.type = 12;
    event.event_id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    const std::vector<StoredEvent> one = {event};
    ASSERT_TRUE(storage->Append("sales", log.epoch, 0, one).ok());
  }
  const ToolRun run = RunTool({"verify", "--bel", Uri()});
  EXPECT_EQ(run.code, 1);
  for (const char* what : {"another timestamp", "another event_id", "another kind"}) {
    EXPECT_NE(run.out.find(what), std::string::npos) << run.out;
  }
}

TEST_F(BelTool, VerifyOfBytesThatAreNoEventEndsThere) {
  {
    const auto storage = OpenInitialized(Uri());
    const Acquired log = storage->Acquire({"sales", "w", "cluster-1"}).value();
    StoredEvent event = Corpus(1).Next();
    event.payload = "\xff";
    event.crc32c = Crc32c(event.payload);
    const std::vector<StoredEvent> one = {event};
    ASSERT_TRUE(storage->Append("sales", log.epoch, 0, one).ok());
  }
  const ToolRun run = RunTool({"verify", "--bel", Uri()});
  EXPECT_EQ(run.code, 1);
  EXPECT_NE(run.out.find("NOT in order; read 0 of 1 events"), std::string::npos) << run.out;
}

TEST_F(BelTool, ADumpLoadsToTheSameLogAndTheSameDump) {
  WriteCorpus(Uri(), "sales", 2'000);
  const std::string dump = Dump(Uri());
  EXPECT_EQ(Lines(dump).size(), 2'001u);
  EXPECT_EQ(Dump(Uri()), dump);
  const ToolRun loaded = Load(dump);
  EXPECT_EQ(loaded.code, 0) << loaded.err;
  const std::string digest = DigestIn(RunTool({"verify", "--bel", Uri()}).out);
  EXPECT_EQ(DigestIn(loaded.out), digest);
  const ToolRun verified = RunTool({"verify", "--bel", Uri("new.db")});
  EXPECT_EQ(verified.code, 0) << verified.out;
  EXPECT_EQ(DigestIn(verified.out), digest);
  const auto from = OpenInitialized(Uri()), to = OpenInitialized(Uri("new.db"));
  EXPECT_NE(from->Head("sales")->at.log_id, to->Head("sales")->at.log_id);
  EXPECT_EQ(to->Head("sales")->cluster_uid, "cluster-1");
  const auto old_events = from->List("sales", {0, 5'000, 64 << 20})->events;
  const auto new_events = to->List("sales", {0, 5'000, 64 << 20})->events;
  ASSERT_EQ(old_events.size(), new_events.size());
  for (size_t i = 0; i < old_events.size(); ++i) {
    EXPECT_EQ(old_events[i].payload, new_events[i].payload);
    EXPECT_EQ(old_events[i].event_id, new_events[i].event_id);
    EXPECT_EQ(old_events[i].ts, new_events[i].ts);
  }
}

TEST_F(BelTool, DumpAndLoadWorkWithFilesAndAnotherNameOfGraphAndCluster) {
  WriteCorpus(Uri(), "sales", 50);
  const std::string file = folder_.File("dump.jsonl");
  EXPECT_EQ(RunTool({"dump", "--bel", Uri(), file}).code, 0);
  const ToolRun loaded = RunTool(
      {"load", "--bel", Uri("new.db"), "--graph", "copy", "--cluster-uid", "cluster-2", file});
  EXPECT_EQ(loaded.code, 0) << loaded.err;
  const auto to = OpenInitialized(Uri("new.db"));
  EXPECT_EQ(to->Head("copy")->at.head, 50);
  EXPECT_EQ(to->Head("copy")->cluster_uid, "cluster-2");
}

TEST_F(BelTool, LoadRefusesALogThatHasEventsOrBelongsToAnotherCluster) {
  WriteCorpus(Uri(), "sales", 50);
  const std::string dump = Dump(Uri());
  ASSERT_EQ(Load(dump).code, 0);
  const ToolRun again = Load(dump);
  EXPECT_EQ(again.code, 1);
  EXPECT_NE(again.err.find("has a log with 50 events already"), std::string::npos) << again.err;
  {
    const auto storage = OpenInitialized(Uri("other.db"));
    ASSERT_TRUE(storage->Acquire({"sales", "pod", "cluster-9"}).ok());
  }
  const ToolRun other = Load(dump, "other.db");
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.err.find("another cluster"), std::string::npos) << other.err;
}

TEST_F(BelTool, LoadRefusesDumpsThatAreNotWholeAndNamesTheLine) {
  WriteCorpus(Uri(), "sales", 20);
  const std::vector<std::string> good = Lines(Dump(Uri()));
  struct Case {
    const char* what;
    std::function<void(std::vector<std::string>&)> damage;
    const char* message;
  };
  const std::vector<Case> cases = {
      {"gap", [](auto& lines) { lines.erase(lines.begin() + 5); }, "line 6: idx 6 where 5 comes"},
      {"twice", [](auto& lines) { lines.insert(lines.begin() + 5, lines[5]); }, "line 7: idx 5"},
      {"cut off", [](auto& lines) { lines.pop_back(); }, "was cut off"},
      {"half a line", [](auto& lines) { lines[9].resize(30); }, "line 10"},
      {"changed", [](auto& lines) { lines[4][lines[4].find("\"//") + 3] ^= 1; }, "checksum"},
      {"no header", [](auto& lines) { lines.erase(lines.begin()); }, "header"},
      {"newer", [](auto& lines) { lines[0].replace(lines[0].find(":1,"), 3, ":9,"); }, "newer"},
      {"empty", [](auto& lines) { lines.clear(); }, "is empty"},
      {"more than promised", [](auto& lines) { lines.push_back(lines.back()); }, "the end comes"},
  };
  int n = 0;
  for (const Case& one : cases) {
    std::vector<std::string> lines = good;
    one.damage(lines);
    const std::string name = "load" + std::to_string(++n) + ".db";
    const ToolRun run = Load(Joined(lines), name);
    EXPECT_EQ(run.code, 1) << one.what;
    EXPECT_NE(run.err.find(one.message), std::string::npos) << one.what << ": " << run.err;
  }
}

TEST_F(BelTool, LoadRefusesADumpThatBeginsAfterAFloorWithoutABase) {
  WriteCorpus(Uri(), "sales", 5);
  std::string dump = Dump(Uri());
  dump.replace(dump.find("\"floor\":\"0\""), 11, "\"floor\":\"3\"");
  const ToolRun run = Load(dump);
  EXPECT_EQ(run.code, 1);
  EXPECT_NE(run.err.find("no part of the base, which a log with a floor begins with"),
            std::string::npos)
      << run.err;
}

TEST_F(BelTool, ALoadThatBreaksOffSaysWhatTheStorageHoldsNow) {
  WriteCorpus(Uri(), "sales", 20'050);
  std::vector<std::string> lines = Lines(Dump(Uri()));
  lines.pop_back();
  const ToolRun run = Load(Joined(lines));
  EXPECT_EQ(run.code, 1);
  EXPECT_NE(run.err.find("holds the first 20,000 events"), std::string::npos) << run.err;
}

TEST_F(BelTool, TailPrintsTheNewestEventsAsJsonAndFilters) {
  WriteCorpus(Uri(), "sales", 400);
  const auto lines = Lines(RunTool({"tail", "--bel", Uri(), "-n", "3"}).out);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(nlohmann::json::parse(lines[2])["idx"], "400");
  EXPECT_EQ(Lines(RunTool({"tail", "--bel", Uri(), "--since", "395"}).out).size(), 5u);
  EXPECT_EQ(Lines(RunTool({"tail", "--bel", Uri(), "--since", "4000"}).out).size(), 0u);
  const ToolRun one =
      RunTool({"tail", "--bel", Uri(), "--since", "0", "--build", Corpus(11).BuildId(0)});
  EXPECT_GT(Lines(one.out).size(), 3u);
  for (const std::string& line : Lines(one.out)) {
    EXPECT_EQ(nlohmann::json::parse(line)["buildRequestId"], Corpus(11).BuildId(0));
  }
  const ToolRun bad = RunTool({"tail", "--bel", Uri(), "--partition", ""});
  EXPECT_EQ(bad.code, 2) << bad.err;
}

TEST_F(BelTool, StatsSayWhatTheLogsHold) {
  WriteCorpus(Uri(), "sales", 300);
  WriteCorpus(Uri(), "other", 10);
  const ToolRun text = RunTool({"stats", "--bel", Uri()});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("job_definition_event 200"), std::string::npos) << text.out;
  const auto lines = Lines(RunTool({"stats", "--bel", Uri(), "--json"}).out);
  ASSERT_EQ(lines.size(), 2u);
  const auto json = nlohmann::json::parse(lines[1]);
  EXPECT_EQ(json["graph"], "sales");
  EXPECT_EQ(json["head"], 300);
  EXPECT_EQ(json["events"]["job_definition_event"], 200);
  EXPECT_EQ(json["wants"]["created"], 16);
  const auto heads = Lines(RunTool({"stats", "--bel", Uri(), "--json", "--heads"}).out);
  EXPECT_FALSE(nlohmann::json::parse(heads[1]).contains("events"));
}

TEST_F(BelTool, WhichGraphIsAskedWhenThereAreSeveral) {
  WriteCorpus(Uri(), "sales", 10);
  WriteCorpus(Uri(), "other", 10);
  const ToolRun which = RunTool({"dump", "--bel", Uri()});
  EXPECT_EQ(which.code, 2);
  EXPECT_NE(which.err.find("one of: other, sales"), std::string::npos) << which.err;
  const ToolRun nobody = RunTool({"verify", "--bel", Uri(), "--graph", "nobody"});
  EXPECT_EQ(nobody.code, 3);
  EXPECT_NE(nobody.err.find("there are: other, sales"), std::string::npos) << nobody.err;
  EXPECT_EQ(RunTool({"verify", "--bel", Uri(), "--graph", "other"}).code, 0);
}

TEST_F(BelTool, ReadingCreatesNothing) {
  for (const char* command : {"verify", "dump", "tail", "stats"}) {
    const ToolRun run = RunTool({command, "--bel", Uri("none.db")});
    EXPECT_EQ(run.code, 3) << command;
    EXPECT_NE(run.err.find("there is no file"), std::string::npos) << run.err;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_.File("none.db")));
}

TEST_F(BelTool, ReadingWorksBesideTheOperatorAndLoadingDoesNot) {
  WriteCorpus(Uri(), "sales", 10);
  const std::string dump = Dump(Uri());
  const auto open = OpenInitialized(Uri());
  EXPECT_EQ(RunTool({"verify", "--bel", Uri()}).code, 0);
  EXPECT_EQ(Lines(RunTool({"tail", "--bel", Uri()}).out).size(), 10u);
  const ToolRun run = Load(dump, "bel.db");
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find("in use by another process"), std::string::npos) << run.err;
}

TEST_F(BelTool, WrongCommandLinesSayWhatIsWrong) {
  struct Case {
    std::vector<std::string> arguments;
    const char* message;
  };
  const std::vector<Case> cases = {
      {std::vector<std::string>(), "subcommand is required"},
      {{"frobnicate"}, "there is no command frobnicate"},
      {{"verify"}, "give --bel URI"},
      {{"verify", "--bel", "memory"}, "holds nothing"},
      {{"verify", "--bel", "ftp://x"}, "unknown storage"},
      {{"verify", "--bel", "sqlite:///a", "--bel-file", "/b"}, "not both"},
      {{"verify", "--bel-file", "/does/not/exist"}, "has no first line"},
      {{"load", "--bel", "sqlite:///a"}, "file"},
      {{"load", "--bel", Uri("x.db"), "/does/not/exist"}, "cannot read"},
      {{"dump", "--bel", Uri("x.db"), "/does/not/exist/file"}, "cannot write"},
      {{"tail", "--bel", "sqlite:///a", "-n", "-4"}, "--lines"},
  };
  for (const Case& one : cases) {
    const ToolRun run = RunTool(one.arguments);
    EXPECT_EQ(run.code, 2) << one.message;
    EXPECT_NE(run.err.find(one.message), std::string::npos) << run.err;
    EXPECT_TRUE(run.out.empty());
  }
}

TEST_F(BelTool, TheUriComesFromFileOrEnvironmentAsWell) {
  WriteCorpus(Uri(), "sales", 10);
  std::ofstream(folder_.File("uri")) << Uri() << "\n";
  EXPECT_EQ(RunTool({"verify", "--bel-file", folder_.File("uri")}).code, 0);
  EXPECT_EQ(RunTool({"verify"}, "", {{"DATABUILD_BEL", Uri()}}).code, 0);
}

TEST_F(BelTool, HelpIsPrintedForTheToolAndItsCommands) {
  const ToolRun whole = RunTool({"--help"});
  EXPECT_EQ(whole.code, 0);
  for (const char* word : {"verify", "dump", "load", "tail", "stats", "Exit codes"}) {
    EXPECT_NE(whole.out.find(word), std::string::npos) << word;
  }
  const ToolRun one = RunTool({"load", "--help"});
  EXPECT_EQ(one.code, 0);
  EXPECT_NE(one.out.find("--cluster-uid"), std::string::npos);
}

}  // namespace
}  // namespace databuild
