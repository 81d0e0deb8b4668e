#include "wrapper/exec_harness_for_test.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "wrapper/entries_for_test.h"
#include "wrapper/spec_encoding_for_test.h"

namespace databuild::exec {
namespace {

constexpr int64_t kDeadlineMs = 60'000;

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// fork, or the same into new namespaces (as root, else inside a user namespace).
pid_t ForkFor(const ExecOptions& options) {
  if (!options.as_pid_1) return fork();
  unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | SIGCHLD;
  if (geteuid() != 0) flags |= CLONE_NEWUSER;
  return static_cast<pid_t>(syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr));
}

[[noreturn]] void RunInChild(const ExecOptions& options, const std::vector<char*>& argv,
                             const std::vector<char*>& env, int stdout_fd) {
  if (options.as_pid_1 && (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
                           mount("proc", "/proc", "proc", 0, nullptr) != 0)) {
    _exit(200);
  }
  if (options.prepare) options.prepare();
  dup2(stdout_fd, STDOUT_FILENO);
  if (options.uid != 0 && (setgid(options.uid) != 0 || setuid(options.uid) != 0)) _exit(201);
  execve(argv[0], argv.data(), env.data());
  _exit(202);
}

Finished Finish(ExecProcess* process, const TestDir& dir) {
  Finished finished;
  finished.status = process->Wait();
  finished.output = process->output();
  finished.entries = ParseEntries(finished.output);
  finished.receipt = nlohmann::json::parse(dir.Read("receipt"), nullptr, false);
  return finished;
}

}  // namespace

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

TestDir::TestDir() {
  std::string path = (std::filesystem::temp_directory_path() / "exec-XXXXXX").string();
  path_ = mkdtemp(path.data());
  std::filesystem::permissions(path_, std::filesystem::perms(0777));  // tests change user
}

TestDir::~TestDir() { std::filesystem::remove_all(path_); }

std::string TestDir::Write(const std::string& name, const std::string& content) const {
  std::ofstream(path_ + "/" + name) << content;
  return path_ + "/" + name;
}

std::string TestDir::Read(const std::string& name) const {
  std::ostringstream content;
  content << std::ifstream(path_ + "/" + name).rdbuf();
  return content.str();
}

ExecProcess::ExecProcess(const ExecOptions& options) {
  std::vector<std::string> args = options.args, env = options.env;
  args.insert(args.begin(), DATABUILD_EXEC_PATH);
  env.push_back("PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
  // A process that forbids tracing cannot be searched for leaks, which needs ptrace.
  env.push_back("ASAN_OPTIONS=detect_leaks=0");
  const std::vector<char*> argv = Pointers(args), envp = Pointers(env);
  int ends[2] = {-1, -1};
  if (options.stdout_path.empty()) {
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  } else {
    ends[1] = open(options.stdout_path.c_str(), O_WRONLY | O_CLOEXEC);
    EXPECT_GE(ends[1], 0) << options.stdout_path;
  }
  fd_ = ends[0];
  pid_ = ForkFor(options);
  if (pid_ == 0) RunInChild(options, argv, envp, ends[1]);
  EXPECT_GT(pid_, 0) << "a namespace needs root or unprivileged user namespaces";
  close(ends[1]);
}

ExecProcess::~ExecProcess() {
  CloseOutput();
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

bool ExecProcess::ReadSome(int64_t deadline_ms) {
  pollfd readable{fd_, POLLIN, 0};
  const int64_t left = deadline_ms - NowMs();
  if (left <= 0 || poll(&readable, 1, static_cast<int>(left)) <= 0) {
    ADD_FAILURE() << "databuild-exec did not print or end in time; so far: "
                  << output_.substr(0, 2000);
    return false;
  }
  char block[65536];
  const ssize_t size = read(fd_, block, sizeof(block));
  if (size <= 0) return false;
  output_.append(block, static_cast<size_t>(size));
  return true;
}

void ExecProcess::ReadUntil(const std::string& text) {
  const int64_t deadline = NowMs() + kDeadlineMs;
  size_t searched = 0;
  while (output_.find(text, searched) == std::string::npos) {
    searched = output_.size() > text.size() ? output_.size() - text.size() : 0;
    if (!ReadSome(deadline)) {
      ADD_FAILURE() << "the output ended without " << text;
      return;
    }
  }
}

void ExecProcess::CloseOutput() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void ExecProcess::WaitUntilStdoutIsFull() const {
  // The last page need not be used up.
  const int full = fcntl(fd_, F_GETPIPE_SZ) - 4096;
  const int64_t deadline = NowMs() + kDeadlineMs;
  for (int queued = 0; queued < full; poll(nullptr, 0, 5)) {
    if (ioctl(fd_, FIONREAD, &queued) != 0 || NowMs() > deadline) {
      ADD_FAILURE() << "stdout did not fill up";
      return;
    }
  }
}

void ExecProcess::Signal(int signal) const { EXPECT_EQ(kill(pid_, signal), 0); }

int ExecProcess::Wait() {
  const int64_t deadline = NowMs() + kDeadlineMs;
  while (fd_ >= 0 && ReadSome(deadline)) {
  }
  return WaitWithoutReading();
}

int ExecProcess::WaitWithoutReading() {
  const int64_t deadline = NowMs() + kDeadlineMs;
  int status = 0;
  pid_t ended;
  while ((ended = waitpid(pid_, &status, WNOHANG)) == 0) {
    if (NowMs() > deadline) {
      ADD_FAILURE() << "databuild-exec does not end";
      return -1;
    }
    poll(nullptr, 0, 5);
  }
  EXPECT_EQ(ended, pid_);
  pid_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Finished RunLocal(const std::vector<std::string>& flags, const std::vector<std::string>& command,
                  ExecOptions options) {
  TestDir dir;
  options.args = {"run", "--local", "--output", "o/1", "--receipt", dir.path() + "/receipt"};
  options.args.insert(options.args.end(), flags.begin(), flags.end());
  options.args.push_back("--");
  options.args.insert(options.args.end(), command.begin(), command.end());
  options.env.push_back("DIR=" + dir.path());
  ExecProcess process(options);
  return Finish(&process, dir);
}

Finished RunScript(const std::string& script, const std::vector<std::string>& flags,
                   ExecOptions options) {
  return RunLocal(flags, {"sh", "-c", script}, std::move(options));
}

Finished RunWithSpec(const std::string& spec_json, const std::vector<std::string>& command,
                     ExecOptions options) {
  TestDir dir;
  options.args = {"run", "--"};
  options.args.insert(options.args.end(), command.begin(), command.end());
  for (const std::string& assignment : EncodeSpec(spec_json)) options.env.push_back(assignment);
  options.env.push_back("DATABUILD_TERMINATION_LOG=" + dir.path() + "/receipt");
  options.env.push_back("DATABUILD_WORK_DIR=" + dir.path());
  ExecProcess process(options);
  return Finish(&process, dir);
}

}  // namespace databuild::exec
