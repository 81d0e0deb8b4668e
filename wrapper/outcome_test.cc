#include "wrapper/outcome.h"

#include <gtest/gtest.h>

#include <csignal>

#include "wrapper/protocol.h"
#include "wrapper/receipt.h"

namespace databuild::exec {
namespace {

int Exited(int code) { return code << 8; }  // as wait(2) encodes it
int Killed(int signal) { return signal; }

RunEnd End(int wait_status) {
  RunEnd end;
  end.wait_status = wait_status;
  return end;
}

const Error kFault{Errc::kInvalidArgument, "fault"};

TEST(Outcome, EveryWayToEndHasItsClassReasonAndStatus) {
  struct {
    const char* name;
    RunEnd given;
    const char *outcome, *reason;
    int exit_status;
  } cases[] = {
      {"success", End(Exited(0)), kClassSucceeded, "", 0},
      {"failure", End(Exited(3)), kClassFailed, kReasonExitCode, 3},
      {"signal", End(Killed(SIGSEGV)), kClassFailed, kReasonSignal, 139},
      {"killed, memory left", End(Killed(SIGKILL)), kClassFailed, kReasonSignal, 137},
      {"killed for lack of memory", End(Killed(SIGKILL)), kClassFailed, kReasonOomKilled, 137},
      {"its child was killed for lack of memory", End(Exited(1)), kClassFailed, kReasonOomKilled,
       1},
      {"survived a kill for lack of memory", End(Exited(0)), kClassSucceeded, "", 0},
      {"exit 75", End(Exited(75)), kClassMissingDependencies, "", 75},
      {"missing refs, exit 0", End(Exited(0)), kClassMissingDependencies, "", 75},
      {"missing refs, exit 1", End(Exited(1)), kClassMissingDependencies, "", 75},
      {"missing refs, killed", End(Killed(SIGKILL)), kClassFailed, kReasonSignal, 137},
      {"unreadable missing refs, exit 0", End(Exited(0)), kClassFailed, kReasonMissingInvalid, 65},
      {"unreadable missing refs, exit 4", End(Exited(4)), kClassFailed, kReasonMissingInvalid, 4},
      {"wrong manifest", End(Exited(0)), kClassFailed, kReasonManifestInvalid, 65},
      {"wrong manifest, exit 2", End(Exited(2)), kClassFailed, kReasonExitCode, 2},
      {"no answer", End(Exited(0)), kClassConfigInvalid, kReasonConfigResponseInvalid, 78},
      {"timeout", End(Killed(SIGTERM)), kClassTimeout, "", 124},
      {"timeout, then exit 0", End(Exited(0)), kClassTimeout, "", 124},
      {"terminated", End(Killed(SIGTERM)), kClassTerminated, "", 143},
      {"terminated, then exit 0", End(Exited(0)), kClassTerminated, "", 143},
      {"terminated, missing refs", End(Exited(75)), kClassTerminated, "", 143},
      {"interrupted", End(Killed(SIGINT)), kClassTerminated, "", 130},
  };
  for (auto& c : cases) {
    const std::string name = c.name;
    if (name.find("lack of memory") != name.npos) c.given.oom_killed = true;
    if (name.find("missing refs") != name.npos) c.given.missing = std::vector<std::string>{"a"};
    if (name.find("unreadable") != name.npos) c.given.missing = kFault;
    if (name.find("manifest") != name.npos) c.given.manifest = kFault;
    if (name.find("answer") != name.npos) c.given.response = kFault;
    if (name.find("timeout") != name.npos) c.given.ending = Ending::kTimeout;
    if (name.find("terminated") != name.npos || name == "interrupted") {
      c.given.ending = Ending::kTerminated;
      c.given.terminated_by = name == "interrupted" ? SIGINT : SIGTERM;
    }
    const Outcome outcome = Judge(c.given);
    EXPECT_EQ(outcome.outcome, c.outcome) << name;
    EXPECT_EQ(outcome.reason, c.reason) << name;
    EXPECT_EQ(outcome.exit_status, c.exit_status) << name;
    EXPECT_EQ(outcome.message.empty(), outcome.outcome == kClassSucceeded) << name;
  }
}

TEST(Outcome, AnAnswerIsAnObjectWithConfigs) {
  EXPECT_TRUE(CheckConfigResponse(R"({"configs":[{"outputs":[{"str":"a"}]}]})").ok());
  for (const std::string& text :
       {std::string(), std::string("done"), std::string("[]"), std::string("{}"),
        std::string(R"({"configs":{}})"),
        R"({"configs":[)" + std::string(kConfigResponseBytesMax, ' ') + "]}"}) {
    EXPECT_FALSE(CheckConfigResponse(text).ok()) << text.substr(0, 50);
  }
}

}  // namespace
}  // namespace databuild::exec
