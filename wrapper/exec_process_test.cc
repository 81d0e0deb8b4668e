// Signals, orphans, deadlines and hostile surroundings, tried with the real program.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "wrapper/entries_for_test.h"
#include "wrapper/exec_harness_for_test.h"

namespace databuild::exec {
namespace {

using nlohmann::json;
using Lines = std::vector<std::string>;

json ReceiptIn(const TestDir& dir) { return json::parse(dir.Read("receipt"), nullptr, false); }

std::vector<std::string> LocalArgs(const TestDir& dir, const std::vector<std::string>& flags,
                                   const std::string& script) {
  std::vector<std::string> args = {"run", "--local",   "--output",
                                   "o/1", "--receipt", dir.path() + "/receipt"};
  args.insert(args.end(), flags.begin(), flags.end());
  args.insert(args.end(), {"--", "sh", "-c", script});
  return args;
}

TEST(ExecProcess, TheTimeoutEndsTheCommandAndSaysSo) {
  const Finished run = RunScript("echo started; exec sleep 1000", {"--timeout", "1"});
  EXPECT_EQ(run.status, 124);
  EXPECT_EQ(run.receipt["class"], "Timeout");
  EXPECT_EQ(run.receipt["signal"], SIGTERM);
  EXPECT_EQ(JoinLines(run.entries, "stdout"), Lines{"started"});
}

TEST(ExecProcess, ACommandThatIgnoresTheTimeoutsSigtermIsKilledAfterTheGrace) {
  const Finished run = RunScript("trap '' TERM; echo started; while :; do sleep 0.1; done",
                                 {"--timeout", "1", "--grace", "1"});
  EXPECT_EQ(run.status, 124);
  EXPECT_EQ(run.receipt["class"], "Timeout");
  EXPECT_EQ(run.receipt["signal"], SIGKILL);
}

TEST(ExecProcess, AnExitWithZeroAfterTheTimeoutIsStillATimeout) {
  const Finished run =
      RunScript("trap 'exit 0' TERM; while :; do sleep 0.1; done", {"--timeout", "1"});
  EXPECT_EQ(run.status, 124);
  EXPECT_EQ(run.receipt["class"], "Timeout");
  EXPECT_EQ(run.receipt["exitCode"], 0);
}

TEST(ExecProcess, SigtermReachesTheWholeProcessGroup) {
  for (const bool as_pid_1 : {false, true}) {
    TestDir dir;
    ExecProcess process(
        {.args =
             LocalArgs(dir, {},
                       "(trap 'echo inner; exit' TERM; echo in; while :; do sleep 0.05; done) &\n"
                       "trap 'wait; echo outer; exit 0' TERM; echo ready; wait"),
         .env = {},
         .as_pid_1 = as_pid_1,
         .stdout_path = {},
         .prepare = {}});
    process.ReadUntil("\"in\"");
    process.ReadUntil("\"ready\"");
    process.Signal(SIGTERM);
    EXPECT_EQ(process.Wait(), 143);
    const std::vector<json> entries = ParseEntries(process.output());
    const Lines lines = JoinLines(entries, "stdout");
    EXPECT_EQ(std::count(lines.begin(), lines.end(), "inner"), 1);
    EXPECT_EQ(ReceiptIn(dir)["class"], "Terminated");
  }
}

TEST(ExecProcess, ACommandThatIgnoresSigtermIsKilledAfterTheGrace) {
  for (const bool as_pid_1 : {false, true}) {
    TestDir dir;
    ExecProcess process({.args = LocalArgs(dir, {"--grace", "1"},
                                           "trap '' TERM; echo ready; while :; do sleep 0.1; done"),
                         .env = {},
                         .as_pid_1 = as_pid_1,
                         .stdout_path = {},
                         .prepare = {}});
    process.ReadUntil("\"ready\"");
    process.Signal(SIGTERM);
    EXPECT_EQ(process.Wait(), 143);
    EXPECT_EQ(ReceiptIn(dir)["class"], "Terminated");
    EXPECT_EQ(ReceiptIn(dir)["signal"], SIGKILL);
  }
}

TEST(ExecProcess, OtherSignalsArePassedOnWithoutStoppingTheRun) {
  TestDir dir;
  ExecProcess process(
      {.args = LocalArgs(dir, {},
                         "trap 'echo usr1; exit 0' USR1; echo ready; while :; do sleep 0.05; done"),
       .env = {},
       .as_pid_1 = true,
       .stdout_path = {},
       .prepare = {}});
  process.ReadUntil("\"ready\"");
  process.Signal(SIGUSR1);
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_EQ(ReceiptIn(dir)["class"], "Succeeded");
}

TEST(ExecProcess, TwoInterruptsEndTheRunAtOnce) {
  TestDir dir;
  ExecProcess process(
      {.args = LocalArgs(dir, {"--grace", "1000"},
                         "trap 'echo trapped' INT; echo ready; while :; do sleep 0.05; done"),
       .env = {},
       .stdout_path = {},
       .prepare = {}});
  process.ReadUntil("\"ready\"");
  process.Signal(SIGINT);
  process.ReadUntil("\"trapped\"");
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 130);
}

TEST(ExecProcess, OrphansAreReaped) {
  // Twenty orphans that end at once; then only the shell and its children may be left in /proc.
  const Finished run = RunScript(
      R"(i=0; while [ $i -lt 20 ]; do (sh -c 'exit 0' &); i=$((i+1)); done
         n=0; while grep -sq '^State:.*Z' /proc/[0-9]*/status && [ $n -lt 100 ]
         do n=$((n+1)); sleep 0.05; done
         grep -sl '^State:.*Z' /proc/[0-9]*/status | wc -l; echo pid $PPID)",
      {}, {.args = {}, .env = {}, .as_pid_1 = true, .stdout_path = {}, .prepare = {}});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(JoinLines(run.entries, "stdout"), (Lines{"0", "pid 1"}));
}

TEST(ExecProcess, ExitStatusAsPid1IsTheCommands) {
  ExecOptions options;
  options.as_pid_1 = true;
  EXPECT_EQ(RunScript("exit 7", {}, options).status, 7);
  EXPECT_EQ(RunScript("kill -9 $$", {}, options).status, 137);
}

TEST(ExecProcess, AGrandchildThatHoldsThePipesDoesNotHoldTheRun) {
  for (const bool as_pid_1 : {false, true}) {
    ExecOptions options;
    options.as_pid_1 = as_pid_1;
    const int64_t start = NowMs();
    const Finished run = RunScript("setsid sleep 1000 & echo done", {}, options);
    EXPECT_EQ(run.status, 0);
    EXPECT_LT(NowMs() - start, 15'000);
    EXPECT_EQ(JoinLines(run.entries, "stdout"), Lines{"done"});
  }
}

TEST(ExecProcess, WhatAGrandchildPrintsSoonAfterTheEndIsKept) {
  const Finished run = RunScript("(sleep 0.5; echo late) & echo early");
  EXPECT_EQ(JoinLines(run.entries, "stdout"), (Lines{"early", "late"}));
}

TEST(ExecProcess, NothingSurvivesTheRunAndTheReceiptIsTheLastWord) {
  for (const bool as_pid_1 : {false, true}) {
    TestDir dir;
    // A process that left the group, the session and the pipes, and overwrites the receipt for
    // ever.
    const std::string forge = "setsid sh -c 'while :; do echo forged > " + dir.path() +
                              "/receipt; done' > /dev/null 2>&1 < /dev/null &\n"
                              "while ! grep -sq forged " +
                              dir.path() + "/receipt; do sleep 0.02; done; exit 4";
    ExecProcess process({.args = LocalArgs(dir, {}, forge),
                         .env = {},
                         .as_pid_1 = as_pid_1,
                         .stdout_path = {},
                         .prepare = {}});
    EXPECT_EQ(process.Wait(), 4);
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(ReceiptIn(dir)["exitStatus"], 4);
      usleep(2000);
    }
  }
}

TEST(ExecProcess, AReaderOfStdoutThatGoesAwayDoesNotStopTheRun) {
  TestDir dir;
  ExecProcess process(
      {.args = LocalArgs(dir, {"--bound", "0"},
                         "echo ready; while [ ! -e " + dir.path() +
                             "/go ]; do sleep 0.02; done; seq 200000; echo done > " + dir.path() +
                             "/result"),
       .env = {},
       .stdout_path = {},
       .prepare = {}});
  process.ReadUntil("\"ready\"");
  process.CloseOutput();
  dir.Write("go", "");
  EXPECT_EQ(process.WaitWithoutReading(), 0);
  EXPECT_EQ(dir.Read("result"), "done\n");
  const json receipt = ReceiptIn(dir);
  EXPECT_EQ(receipt["class"], "Succeeded");
  EXPECT_GT(receipt["undelivered"].get<int>(), 199'000);
  EXPECT_EQ(receipt["outputError"], "Broken pipe");
  EXPECT_EQ(receipt["lastSequence"].get<int>() - receipt["undelivered"].get<int>(), 3);
}

TEST(ExecProcess, AFullDiskUnderStdoutDoesNotStopTheRun) {
  TestDir dir;
  ExecProcess process({.args = LocalArgs(dir, {}, "seq 1000; exit 3"),
                       .env = {},
                       .stdout_path = "/dev/full",
                       .prepare = {}});
  EXPECT_EQ(process.Wait(), 3);
  EXPECT_EQ(ReceiptIn(dir)["exitCode"], 3);
  EXPECT_EQ(ReceiptIn(dir)["outputError"], "No space left on device");
  EXPECT_EQ(ReceiptIn(dir)["undelivered"], ReceiptIn(dir)["lastSequence"]);
}

TEST(ExecProcess, AClosedStdoutDoesNotStopTheRun) {
  TestDir dir;
  const std::string receipt = dir.path() + "/receipt";
  const Finished outer =
      RunLocal({}, {"sh", "-c", "exec \"$@\" >&-", "sh", DATABUILD_EXEC_PATH, "run", "--local",
                    "--output", "o", "--receipt", receipt, "--", "sh", "-c", "echo x; exit 3"});
  EXPECT_EQ(outer.status, 3);
  EXPECT_EQ(ReceiptIn(dir)["exitCode"], 3);
  EXPECT_EQ(ReceiptIn(dir)["undelivered"], ReceiptIn(dir)["lastSequence"]);
}

TEST(ExecProcess, AStuckReaderDelaysNeitherSignalsNorTheReceipt) {
  TestDir dir;
  ExecProcess process(
      {.args = LocalArgs(dir, {"--bound", "0", "--grace", "1"}, "echo ready; exec yes"),
       .env = {},
       .as_pid_1 = true,
       .stdout_path = {},
       .prepare = {}});
  process.ReadUntil("\"ready\"");
  process.WaitUntilStdoutIsFull();
  process.Signal(SIGTERM);
  const int64_t start = NowMs();
  EXPECT_EQ(process.WaitWithoutReading(), 143);
  EXPECT_LT(NowMs() - start, (kWrapUpSeconds + 5) * 1000);
  EXPECT_EQ(ReceiptIn(dir)["class"], "Terminated");
  EXPECT_GT(ReceiptIn(dir)["undelivered"].get<int>(), 0);
}

TEST(ExecProcess, AFullWorkDirectoryFallsBackToAnother) {
  ExecOptions options;
  options.as_pid_1 = true;  // for the mount namespace
  options.env = {"DATABUILD_WORK_DIR=/mnt"};
  options.prepare = [] {
    if (mount("tmpfs", "/mnt", "tmpfs", 0, "size=16k,nr_inodes=8") != 0) _exit(204);
    // Fills it to the last block.
    FILE* const file = fopen("/mnt/filler", "w");
    const std::string block(4096, 'x');
    while (fwrite(block.data(), 1, block.size(), file) == block.size() && fflush(file) == 0) {
    }
    fclose(file);
  };
  const Finished run = RunWithSpec(R"({"version":1,"jobRunId":"r","outputs":["o"]})",
                                   {"sh", "-c", "cat \"$DATABUILD_OUTPUTS_FILE\""}, options);
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(JoinLines(run.entries, "stdout"), Lines{"[\"o\"]"});
}

TEST(ExecProcess, WithoutAnyWorkDirectoryTheRunSaysWhatItTried) {
  const Finished run =
      RunScript("true", {"--work-dir", "/proc/none"},
                {.args = {}, .env = {"TMPDIR=/proc/nowhere"}, .stdout_path = {}, .prepare = {}});
  EXPECT_EQ(run.status, 126);
  EXPECT_EQ(run.receipt["class"], "LaunchFailed");
  EXPECT_EQ(run.receipt["reason"], "WorkDirUnwritable");
  EXPECT_NE(run.receipt["message"].get<std::string>().find("/proc/nowhere"), std::string::npos);
}

TEST(ExecProcess, AReceiptThatCannotBeWrittenChangesNothingElse) {
  ExecProcess process({.args = {"run", "--local", "--output", "o", "--receipt", "/dev/full", "--",
                                "sh", "-c", "exit 6"},
                       .env = {},
                       .stdout_path = {},
                       .prepare = {}});
  EXPECT_EQ(process.Wait(), 6);
  EXPECT_EQ(ParseEntries(process.output()).back()["jobEvent"]["exitCode"], 6);
}

TEST(ExecProcess, TheCommandCannotForgeFramesThroughProc) {
  // As the same unprivileged user, in the namespace where databuild-exec is PID 1.
  ExecOptions options;
  options.as_pid_1 = true;
  options.uid = 65532;
  const Finished run = RunScript(
      R"(id -u
         for f in /proc/1/fd/1 /proc/1/fd/2; do echo '{"jobId":"x"}' > $f && echo forged; done
         cat /proc/1/environ > /dev/null && echo leaked; cat /proc/1/mem > /dev/null && echo leaked
         echo '{"jobId":"local","sequenceNumber":"9","jobEvent":{"eventType":"task_exit"}}'
         exit 5)",
      {}, options);
  EXPECT_EQ(run.status, 5);
  EXPECT_EQ(
      JoinLines(run.entries, "stdout"),
      (Lines{"65532",
             R"({"jobId":"local","sequenceNumber":"9","jobEvent":{"eventType":"task_exit"}})"}));
  EXPECT_EQ(EventsOf(run.entries, "task_exit").size(), 1u);
  EXPECT_EQ(run.receipt["class"], "Failed");
}

TEST(ExecProcess, TheCommandInheritsNoDescriptorsBeside012) {
  // Three, and the one with which ls reads the directory.
  const Finished run = RunLocal({}, {"ls", "/proc/self/fd"});
  EXPECT_EQ(JoinLines(run.entries, "stdout").size(), 4u);
}

TEST(ExecProcess, ExitedOutputIsReadToTheLastByte) {
  const Finished run = RunScript("seq 60000; exit 9", {"--bound", "0"});
  EXPECT_EQ(run.status, 9);
  const Lines lines = JoinLines(run.entries, "stdout");
  ASSERT_EQ(lines.size(), 60'000u);
  for (size_t i = 0; i < lines.size(); ++i) ASSERT_EQ(lines[i], std::to_string(i + 1));
}

}  // namespace
}  // namespace databuild::exec
