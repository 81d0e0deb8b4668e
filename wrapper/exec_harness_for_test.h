// Runs the real databuild-exec for tests: with a pipe, a file or nothing as stdout, as an ordinary
// process or as PID 1 of a namespace of its own.
#pragma once

#include <sys/types.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace databuild::exec {

// A directory that is removed with everything in it.
class TestDir {
 public:
  TestDir();
  ~TestDir();
  TestDir(const TestDir&) = delete;
  TestDir& operator=(const TestDir&) = delete;
  const std::string& path() const { return path_; }
  std::string Write(const std::string& name, const std::string& content) const;
  std::string Read(const std::string& name) const;  // "" if it is not there

 private:
  std::string path_;
};

struct ExecOptions {
  std::vector<std::string> args;  // of databuild-exec
  std::vector<std::string> env;   // beside PATH
  bool as_pid_1 = false;          // in new PID and mount namespaces, with its own /proc
  uid_t uid = 0;                  // other than 0: become this user before exec
  std::string stdout_path;        // instead of a pipe to the test
  std::function<void()> prepare;  // runs in the child before exec (and before it changes user)
};

// One running databuild-exec. Every wait has a deadline; what is still there at the end is killed.
class ExecProcess {
 public:
  explicit ExecProcess(const ExecOptions& options);
  ~ExecProcess();
  ExecProcess(const ExecProcess&) = delete;
  ExecProcess& operator=(const ExecProcess&) = delete;

  // Reads stdout until it contains `text`.
  void ReadUntil(const std::string& text);
  void CloseOutput();
  // Until databuild-exec has filled the pipe that nobody empties.
  void WaitUntilStdoutIsFull() const;
  void Signal(int signal) const;
  // Reads the rest of stdout and waits: the exit status, or 128 + signal.
  int Wait();
  // Waits without reading stdout.
  int WaitWithoutReading();

  const std::string& output() const { return output_; }

 private:
  bool ReadSome(int64_t deadline_ms);

  pid_t pid_ = 0;
  int fd_ = -1;
  std::string output_;
};

struct Finished {
  int status = -1;
  std::string output;
  std::vector<nlohmann::json> entries;  // parsed and checked, see ParseEntries
  nlohmann::json receipt;               // null if there is none
};

// `run --local --output o/1 --receipt …` with more flags, to its end.
Finished RunLocal(const std::vector<std::string>& flags, const std::vector<std::string>& command,
                  ExecOptions options = {});
// `sh -c script`
Finished RunScript(const std::string& script, const std::vector<std::string>& flags = {},
                   ExecOptions options = {});
// `run` with a spec in the environment, as the operator starts it.
Finished RunWithSpec(const std::string& spec_json, const std::vector<std::string>& command,
                     ExecOptions options = {});

int64_t NowMs();  // monotonic

}  // namespace databuild::exec
