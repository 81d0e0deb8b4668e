// What a command under databuild-exec is promised, tried with the real program.

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "bel/base/crc32c.h"
#include "wrapper/digest.h"
#include "wrapper/entries_for_test.h"
#include "wrapper/exec_harness_for_test.h"

namespace databuild::exec {
namespace {

using nlohmann::json;
using Lines = std::vector<std::string>;

std::string Sha256(const std::string& bytes) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), hash, &size, EVP_sha256(), nullptr);
  return {reinterpret_cast<char*>(hash), size};
}

// The receipt's digest as README.md defines it, from the bytes that arrived.
void ExpectDigestMatches(const Finished& run) {
  std::string hashes, hex;
  for (size_t at = 0; at < run.output.size(); at += kDigestBlockBytes) {
    hashes += Sha256(run.output.substr(at, kDigestBlockBytes));
  }
  for (const unsigned char c : Sha256(hashes)) {
    hex += "0123456789abcdef"[c >> 4];
    hex += "0123456789abcdef"[c & 15];
  }
  EXPECT_EQ(run.receipt["digest"]["sha256"], hex);
  EXPECT_EQ(std::stoul(run.receipt["digest"]["crc32c"].get<std::string>(), nullptr, 16),
            Crc32c(run.output));
  EXPECT_EQ(run.receipt["digest"]["bytes"], run.output.size());
  EXPECT_EQ(run.receipt["lastSequence"], run.entries.size());
}

TEST(Exec, ASuccessfulRunTellsItsStoryInOrder) {
  const Finished run = RunScript("echo hello; echo oops >&2; sleep 0.2; echo bye");
  EXPECT_EQ(run.status, 0);
  ASSERT_EQ(run.entries.size(), 7u);
  EXPECT_EQ(run.entries[0]["jobEvent"]["eventType"], "config_validate_success");
  EXPECT_EQ(run.entries[0]["outputs"], json::parse(R"([{"str":"o/1"}])"));
  EXPECT_EQ(run.entries[1]["jobEvent"]["eventType"], "task_launch_success");
  EXPECT_EQ(JoinLines(run.entries, "stdout"), (Lines{"hello", "bye"}));
  EXPECT_EQ(JoinLines(run.entries, "stderr"), Lines{"oops"});
  EXPECT_EQ(run.entries[5]["jobEvent"]["eventType"], "task_exit");
  EXPECT_EQ(run.entries[5]["jobEvent"]["exitCode"], 0);
  EXPECT_EQ(run.entries[5]["jobEvent"]["jobStatus"], "JOB_COMPLETED");
  EXPECT_EQ(run.entries[6]["manifest"]["outputs"], json::parse(R"([{"str":"o/1"}])"));
  EXPECT_EQ(run.receipt["class"], "Succeeded");
  EXPECT_EQ(run.receipt["manifest"], run.entries[6]["manifest"]);
  EXPECT_EQ(run.receipt["counts"]["stdoutLines"], 2);
  EXPECT_EQ(run.receipt["counts"]["stderrLines"], 1);
  ExpectDigestMatches(run);
}

TEST(Exec, TheExitCodePassesThrough) {
  for (const int code : {1, 3, 42, 255}) {
    const Finished run = RunScript("exit " + std::to_string(code));
    EXPECT_EQ(run.status, code);
    EXPECT_EQ(run.receipt["class"], "Failed");
    EXPECT_EQ(run.receipt["exitCode"], code);
    EXPECT_EQ(run.receipt["exitStatus"], code);
    EXPECT_FALSE(run.receipt.contains("manifest")) << "only a success has a manifest";
    EXPECT_EQ(EventsOf(run.entries, "task_exit").at(0)["exitCode"], code);
  }
}

TEST(Exec, ASignalThatEndsTheCommandIs128PlusItsNumber) {
  for (const int signal : {SIGKILL, SIGSEGV, SIGTERM}) {
    const Finished run = RunScript("kill -" + std::to_string(signal) + " $$");
    EXPECT_EQ(run.status, 128 + signal);
    EXPECT_EQ(run.receipt["class"], "Failed");
    EXPECT_EQ(run.receipt["reason"], "Signal");
    EXPECT_EQ(run.receipt["signal"], signal);
    EXPECT_FALSE(run.receipt.contains("exitCode"));
  }
}

TEST(Exec, TheSpecArrivesThroughTheEnvironment) {
  const Finished run = RunWithSpec(
      R"({"version":1,"jobRunId":"7e57","jobLabel":"//a:b","outputs":["o/1","o/2"],"inputs":["i/1"],
          "inputInstances":{"i/1":"u-1"},"args":["x y","z"],
          "env":{"GREETING":"hi","PATH":"/bin:/usr/bin"}})",
      {"sh", "-c",
       R"(echo "$DATABUILD_JOB_RUN_ID $GREETING $1 $2"
          cat "$DATABUILD_OUTPUTS_FILE" "$DATABUILD_INPUTS_FILE"; echo
          echo "$DATABUILD_OUTPUTS $DATABUILD_INPUTS"
          env | grep -c DATABUILD_SPEC; env | grep ^PATH)",
       "sh"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(JoinLines(run.entries, "stdout"),
            (Lines{"7e57 hi x y z", R"(["o/1","o/2"]["i/1"])", R"(["o/1","o/2"] ["i/1"])", "0",
                   "PATH=/bin:/usr/bin"}));
  EXPECT_EQ(run.entries[0]["jobId"], "7e57");
  EXPECT_EQ(run.entries[0]["jobEvent"]["jobLabel"], "//a:b");
  EXPECT_EQ(run.entries.back()["manifest"]["inputInstances"],
            json::parse(R"([{"ref":"i/1","instanceId":"u-1"}])"));
}

TEST(Exec, LongListsOfRefsComeByFileOnly) {
  json spec = {{"version", 1}, {"jobRunId", "r"}, {"outputs", json::array()}};
  for (int i = 0; i < 100; ++i)
    spec["outputs"].push_back("o/" + std::string(900, 'x') + std::to_string(i));
  const Finished run = RunWithSpec(
      spec.dump(),
      {"sh", "-c", R"(echo "${DATABUILD_OUTPUTS-unset}"; wc -c < "$DATABUILD_OUTPUTS_FILE")"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(JoinLines(run.entries, "stdout"),
            (Lines{"unset", std::to_string(spec["outputs"].dump().size())}));
  size_t outputs = 0, parts = 0;
  for (const json& entry : run.entries) {
    if (!entry.contains("manifest")) continue;
    ++parts;
    outputs += entry["manifest"].value("outputs", json::array()).size();
  }
  EXPECT_EQ(outputs, 100u);
  EXPECT_GT(parts, 5u);
  EXPECT_EQ(run.receipt["manifestParts"], parts);
  EXPECT_FALSE(run.receipt.contains("manifest"));
}

TEST(Exec, ARunWithoutAUsableSpecIsRefused) {
  struct {
    const char* name;
    Finished run;
  } const cases[] = {
      {"no JSON", RunWithSpec("nonsense", {"true"})},
      {"no outputs", RunWithSpec(R"({"version":1,"jobRunId":"r"})", {"true"})},
      {"another version", RunWithSpec(R"({"version":9,"jobRunId":"r","outputs":["o"]})", {"true"})},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(c.run.status, 78) << c.name;
    EXPECT_EQ(c.run.receipt["class"], "ConfigInvalid") << c.name;
    EXPECT_EQ(c.run.receipt["reason"], "SpecInvalid") << c.name;
    EXPECT_EQ(EventsOf(c.run.entries, "config_validate_failed").size(), 1u) << c.name;
  }
}

TEST(Exec, ACommandThatCannotBeStartedSaysWhy) {
  TestDir dir;
  const std::string text = dir.Write("plain.txt", "no program");
  const Finished missing = RunLocal({}, {"no-such-command-anywhere"});
  EXPECT_EQ(missing.status, 127);
  EXPECT_EQ(missing.receipt["class"], "LaunchFailed");
  EXPECT_EQ(missing.receipt["reason"], "CommandNotFound");
  EXPECT_NE(missing.receipt["message"].get<std::string>().find("no-such-command-anywhere"),
            std::string::npos);
  const Finished plain = RunLocal({}, {text});
  EXPECT_EQ(plain.status, 126);
  EXPECT_EQ(plain.receipt["reason"], "CommandNotExecutable");
  EXPECT_EQ(EventsOf(plain.entries, "task_launch_failed").size(), 1u);
  EXPECT_TRUE(EventsOf(plain.entries, "task_launch_success").empty());
}

TEST(Exec, UsageErrorsGoToStderrAlone) {
  for (const Lines& args :
       {Lines{}, Lines{"run"}, Lines{"run", "--"}, Lines{"jump"}, Lines{"install"},
        Lines{"run", "--local", "--", "true"}, Lines{"run", "--output", "a", "--", "true"},
        Lines{"run", "--local", "--output", "a", "--timeout", "x", "--", "true"},
        Lines{"run", "--nonsense", "1", "--", "true"}}) {
    ExecProcess process({.args = args, .env = {}, .stdout_path = {}, .prepare = [] {
                           if (freopen("/dev/null", "w", stderr) == nullptr) _exit(203);
                         }});
    EXPECT_EQ(process.Wait(), 64);
    EXPECT_EQ(process.output(), "");
  }
}

TEST(Exec, MissingDependenciesAreAThirdOutcome) {
  struct {
    const char* name;
    std::string script;
    json missing;
  } const cases[] = {
      {"lines", R"(printf 'm/1\nm/2\n' > "$DATABUILD_MISSING"; exit 75)", {"m/1", "m/2"}},
      {"array and exit 0", R"(echo '["m/1"]' > "$DATABUILD_MISSING")", {"m/1"}},
      {"exit 75 alone", "exit 75", nullptr},
  };
  for (const auto& c : cases) {
    const Finished run = RunScript(c.script);
    EXPECT_EQ(run.status, 75) << c.name;
    EXPECT_EQ(run.receipt["class"], "MissingDependencies") << c.name;
    EXPECT_EQ(run.receipt.value("missing", json()), c.missing) << c.name;
    if (!c.missing.is_null()) {
      EXPECT_EQ(json::parse(JoinEvent(run.entries, "missing_dependencies", "refs")), c.missing);
    }
  }
}

TEST(Exec, ManyMissingRefsAreAllInTheLogWhenTheReceiptIsTooSmall) {
  const Finished run = RunScript(
      R"(for i in $(seq 3000); do echo "sales/orders/date=$i"; done > "$DATABUILD_MISSING"
         exit 75)");
  EXPECT_EQ(run.receipt["missingCount"], 3000);
  EXPECT_EQ(run.receipt["missingTruncated"], true);
  EXPECT_FALSE(run.receipt.contains("missing"));
  EXPECT_EQ(json::parse(JoinEvent(run.entries, "missing_dependencies", "refs")).size(), 3000u);
  ExpectDigestMatches(run);
}

TEST(Exec, TheManifestIsMergedFromPlanLinesAndFile) {
  const Finished run = RunScript(
      R"(echo '{"manifest":{"metadata":{"rows":"1","a":"line"}}}'
         echo '{"metadata":{"rows":2},"inputs":["i/9"]}' > "$DATABUILD_MANIFEST")",
      {"--input", "i/1"});
  EXPECT_EQ(run.status, 0);
  const json manifest = run.entries.back()["manifest"];
  EXPECT_EQ(manifest["metadata"], json({{"rows", "2"}, {"a", "line"}}));
  EXPECT_EQ(manifest["inputInstances"], json::parse(R"([{"ref":"i/9"}])"));
  EXPECT_LE(std::stol(manifest["startTime"].get<std::string>()),
            std::stol(manifest["endTime"].get<std::string>()));
}

TEST(Exec, AManifestThatContradictsTheRunFailsIt) {
  for (const char* script :
       {R"(echo '{"outputs":["o/1","o/2"]}' > "$DATABUILD_MANIFEST")",
        R"(echo 'rows: 5' > "$DATABUILD_MANIFEST")", R"(ln -s /etc/passwd "$DATABUILD_MANIFEST")",
        R"(mkfifo "$DATABUILD_MANIFEST")", R"(head -c 2000000 /dev/zero > "$DATABUILD_MANIFEST")",
        R"(echo '{"manifest":{"outputs":["x"]}}')"}) {
    const Finished run = RunScript(script);
    EXPECT_EQ(run.status, 65) << script;
    EXPECT_EQ(run.receipt["class"], "Failed") << script;
    EXPECT_EQ(run.receipt["reason"], "ManifestInvalid") << script;
    EXPECT_EQ(run.receipt["exitCode"], 0) << script;
  }
}

TEST(Exec, AConfigureRunAnswersWithItsLastLine) {
  const std::string answer =
      R"({"configs":[{"outputs":[{"str":"o/1"}],"args":[")" + std::string(30'000, 'x') + "\"]}]}";
  TestDir dir;
  const std::string file = dir.Write("answer", "thinking\n" + answer + "\n\n");
  const Finished run = RunLocal({"--configure"}, {"cat", file});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(JoinEvent(run.entries, "config_response", "response"), answer);
  EXPECT_EQ(JoinLines(run.entries, "stdout"), (Lines{"thinking", ""}));
  EXPECT_EQ(run.receipt["class"], "Succeeded");
  EXPECT_FALSE(run.receipt.contains("configResponse")) << "too long for the receipt";

  const Finished small = RunScript("echo '{\"configs\":[]}'", {"--configure"});
  EXPECT_EQ(small.receipt["configResponse"], json::parse(R"({"configs":[]})"));

  const Finished none = RunScript("echo done", {"--configure"});
  EXPECT_EQ(none.status, 78);
  EXPECT_EQ(none.receipt["class"], "ConfigInvalid");
  EXPECT_EQ(JoinLines(none.entries, "stdout"), Lines{"done"});
}

TEST(Exec, HeartbeatsTellWhatTheRunUses) {
  TestDir dir;
  ExecProcess process({.args = {"run", "--local", "--output", "o", "--heartbeat", "1", "--", "sh",
                                "-c", "while [ ! -e " + dir.path() + "/go ]; do sleep 0.05; done"},
                       .env = {},
                       .stdout_path = {},
                       .prepare = {}});
  process.ReadUntil("heartbeat");
  dir.Write("go", "");
  EXPECT_EQ(process.Wait(), 0);
  const json metadata = EventsOf(ParseEntries(process.output()), "heartbeat").at(0)["metadata"];
  EXPECT_NE(metadata["usageSource"], "none");
  EXPECT_GT(std::stoul(metadata["memoryBytes"].get<std::string>()), 0u);
  EXPECT_TRUE(metadata.contains("cpuSeconds"));
  EXPECT_GE(std::stoul(metadata["uptimeSeconds"].get<std::string>()), 1u);
}

TEST(Exec, OutputBeyondTheBoundIsDroppedCountedAndReported) {
  const Finished run = RunScript(
      R"(seq 100000; echo '{"level":"error","message":"kept"}'
         echo '{"name":"kept","value":1}'; seq 10)",
      {"--bound", "100000"});
  EXPECT_EQ(run.status, 0);
  EXPECT_LT(run.output.size(), 110'000u);
  const Lines lines = JoinLines(run.entries, "stdout");
  EXPECT_EQ(lines.back(), "kept");
  EXPECT_EQ(run.receipt["dropped"]["lines"].get<size_t>() + lines.size() + 1, 100'012u);
  EXPECT_EQ(run.receipt["counts"]["stdoutLines"], 100'012);
  EXPECT_EQ(run.receipt["counts"]["metric"], 1);
  const Lines report = JoinLines(run.entries, "wrapper");
  ASSERT_EQ(report.size(), 1u);
  EXPECT_NE(report[0].find(run.receipt["dropped"]["lines"].dump() + " lines"), std::string::npos);
  EXPECT_TRUE(run.entries.back().contains("manifest"));
  ExpectDigestMatches(run);
}

TEST(Exec, BinaryGarbageBecomesCleanEntries) {
  const Finished run =
      RunScript("head -c 3000000 /dev/urandom; head -c 300000 /dev/urandom >&2", {"--bound", "0"});
  EXPECT_EQ(run.status, 0);
  EXPECT_GT(run.entries.size(), 5000u);
  ExpectDigestMatches(run);
}

TEST(Exec, ALargeOutputIsProvedEvenIfNoThreadCanBeStartedToHelp) {
  TestDir dir;
  std::string text;
  while (text.size() < (40u << 20))
    text += std::string(9000, static_cast<char>('a' + text.size() % 26)) + "\n";
  const std::string file = dir.Write("text", text);
  ExecOptions limited;
  limited.uid =
      61234;  // a user with no other process: databuild-exec and cat are the two it may have
  limited.prepare = [] {
    const rlimit two{2, 2};
    if (setrlimit(RLIMIT_NPROC, &two) != 0) _exit(207);
  };
  std::vector<ExecOptions> ways = {ExecOptions()};
#ifndef __SANITIZE_THREAD__  // its runtime needs a thread of its own
  ways.push_back(limited);
#endif
  for (const ExecOptions& options : ways) {
    const Finished run = RunLocal({"--bound", "0"}, {"cat", file}, options);
    EXPECT_EQ(run.status, 0);
    EXPECT_GT(run.output.size(), StreamDigest::kInlineBytes + kDigestBlockBytes);
    ExpectDigestMatches(run);
  }
}

TEST(Exec, ClearTextComesBackByteForByte) {
  Lines expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string number = std::to_string(i);
    expected.insert(expected.end(),
                    {number, "", "\t{ \"not\": json " + number, "naïve → 航班 " + number});
  }
  std::string text;
  for (const std::string& line : expected) text += line + "\n";
  TestDir dir;
  const Finished run = RunLocal({}, {"cat", dir.Write("text", text)});
  EXPECT_EQ(JoinLines(run.entries, "stdout"), expected);
}

TEST(Exec, StdinIsPassedOnUnlessItIsATerminal) {
  TestDir dir;
  const std::string input = dir.Write("input", "from stdin\n");
  const Finished run =
      RunLocal({}, {"cat"}, {.args = {}, .env = {}, .stdout_path = {}, .prepare = [&] {
                               if (freopen(input.c_str(), "r", stdin) == nullptr) _exit(203);
                             }});
  EXPECT_EQ(JoinLines(run.entries, "stdout"), Lines{"from stdin"});
}

TEST(Exec, InstallMakesAWholeExecutableCopy) {
  TestDir dir;
  const std::string target = dir.path() + "/databuild-exec";
  for (int round = 0; round < 2; ++round) {  // also over an existing file
    ExecProcess process({.args = {"install", target}, .env = {}, .stdout_path = {}, .prepare = {}});
    EXPECT_EQ(process.Wait(), 0);
  }
  struct stat info;
  ASSERT_EQ(stat(target.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755u);
  std::ifstream copy(target, std::ios::binary), original(DATABUILD_EXEC_PATH, std::ios::binary);
  EXPECT_TRUE(std::equal(std::istreambuf_iterator<char>(copy), {},
                         std::istreambuf_iterator<char>(original), {}));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1)
      << "nothing is left over";
  ExecProcess wrong(
      {.args = {"install", "/proc/none/x"}, .env = {}, .stdout_path = {}, .prepare = [] {
         if (freopen("/dev/null", "w", stderr) == nullptr) _exit(203);
       }});
  EXPECT_EQ(wrong.Wait(), 1);
}

}  // namespace
}  // namespace databuild::exec
