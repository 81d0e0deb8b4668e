#include "wrapper/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "wrapper/spec.h"

namespace databuild::exec {
namespace {

// Fewer wake-ups per megabyte than the default 64 KiB, and still little memory of the container.
constexpr int kPipeBytes = 256 * 1024;

struct Pipe {
  int read_end = -1;
  int write_end = -1;
  bool Open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    read_end = ends[0];
    write_end = ends[1];
    return true;
  }
  void CloseWrite() {
    if (write_end >= 0) close(write_end);
    write_end = -1;
  }
  void Close() {
    CloseWrite();
    if (read_end >= 0) close(read_end);
    read_end = -1;
  }
};

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Everything the child needs, prepared before the fork: between fork and exec nothing allocates.
struct Launch {
  std::vector<char*> argv;
  std::vector<char*> env;
  int out = -1;
  int err = -1;
  int report = -1;
};

[[noreturn]] void RunChild(const Launch& launch) {
  setpgid(0, 0);
  for (int signal = 1; signal < NSIG; ++signal) {
    if (signal != SIGKILL && signal != SIGSTOP) ::signal(signal, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (isatty(STDIN_FILENO) != 0 || fcntl(STDIN_FILENO, F_GETFD) < 0) {
    // In a process group of its own the command may not read from a terminal anyway.
    const int null = open("/dev/null", O_RDONLY);
    if (null > STDIN_FILENO) {
      dup2(null, STDIN_FILENO);
      close(null);
    }
  }
  dup2(launch.out, STDOUT_FILENO);
  dup2(launch.err, STDERR_FILENO);
  // Descriptors we inherited are not the command's. Kernels before 5.11 have no such call; the
  // container runtimes pass none.
  syscall(SYS_close_range, 3U, ~0U, static_cast<unsigned>(CLOSE_RANGE_CLOEXEC));
  environ = const_cast<char**>(launch.env.data());
  execvp(launch.argv[0], launch.argv.data());
  const int failure = errno;
  const ssize_t ignored = write(launch.report, &failure, sizeof(failure));
  static_cast<void>(ignored);
  _exit(127);
}

Error LaunchError(const std::string& command, int failure) {
  const std::string what = "start \"" + command.substr(0, 512) + "\": " + std::strerror(failure);
  switch (failure) {
    case ENOENT:
    case ENOTDIR:
      return {Errc::kNotFound, what + "; the image must contain the command (and its interpreter)"};
    case EACCES:
    case ENOEXEC:
      return {Errc::kPermissionDenied, what + "; the file must be executable on this machine"};
    case E2BIG:
      return {Errc::kTooLarge, what + "; pass long lists by file instead of args or env"};
    default:
      return {Errc::kUnavailable, what};
  }
}

// True if /proc/<pid>/stat names us as its parent.
bool IsOurChild(const char* pid, pid_t self) {
  char path[64] = "/proc/";
  std::strncat(path, pid, 16);
  std::strncat(path, "/stat", 6);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[512];
  const ssize_t size = read(fd, text, sizeof(text) - 1);
  close(fd);
  if (size <= 0) return false;
  text[size] = '\0';
  // "pid (name) S ppid": the name may contain brackets, the last one closes it.
  const char* const after = std::strrchr(text, ')');
  if (after == nullptr || std::strlen(after) < 5) return false;
  return std::atoi(after + 4) == self;
}

void KillChildren() {
  const pid_t self = getpid();
  DIR* const proc = opendir("/proc");
  if (proc == nullptr) return;
  while (const dirent* entry = readdir(proc)) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    if (IsOurChild(entry->d_name, self)) kill(std::atoi(entry->d_name), SIGKILL);
  }
  closedir(proc);
}

}  // namespace

Result<Child> StartCommand(const Command& command) {
  Pipe out, err, report;
  if (!out.Open() || !err.Open() || !report.Open()) {
    const Error error = LaunchError(command.argv[0], errno);
    for (Pipe* pipe : {&out, &err, &report}) pipe->Close();
    return error;
  }
  for (const int fd : {out.read_end, err.read_end}) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    fcntl(fd, F_SETPIPE_SZ, kPipeBytes);
  }
  const Launch launch{Pointers(command.argv), Pointers(command.env), out.write_end, err.write_end,
                      report.write_end};
  const pid_t pid = fork();
  if (pid == 0) RunChild(launch);
  const int fork_failure = errno;
  for (Pipe* pipe : {&out, &err, &report}) pipe->CloseWrite();
  int failure = 0;
  if (pid < 0) {
    failure = fork_failure;
  } else {
    setpgid(pid, pid);  // whoever comes first; a signal may be sent to the group from now on
    ssize_t size;
    do {
      size = read(report.read_end, &failure, sizeof(failure));
    } while (size < 0 && errno == EINTR);
    if (size == sizeof(failure)) waitpid(pid, nullptr, 0);
  }
  report.Close();
  if (failure != 0) {
    out.Close();
    err.Close();
    return LaunchError(command.argv[0], failure);
  }
  return Child{pid, out.read_end, err.read_end};
}

void SignalChild(pid_t pid, int signal) {
  // A command that moved to another group is still our child.
  if (kill(-pid, signal) != 0) kill(pid, signal);
}

void KillLeftovers() {
  constexpr int kRounds = 100;
  // As PID 1 and as a subreaper alike: without children there are no descendants.
  const auto none_left = [] {
    pid_t reaped;
    do {
      reaped = waitpid(-1, nullptr, WNOHANG);
    } while (reaped > 0);
    return reaped < 0 && errno == ECHILD;
  };
  for (int round = 0; round < kRounds && !none_left(); ++round) {
    if (getpid() == 1) {
      kill(-1, SIGKILL);
    } else {
      KillChildren();  // their children become ours, next round
    }
    const timespec pause{0, 10'000'000};
    nanosleep(&pause, nullptr);
  }
}

std::vector<std::string> BuildEnvironment(const char* const* inherited,
                                          const std::vector<std::string>& more) {
  const auto name = [](std::string_view assignment) {
    return assignment.substr(0, assignment.find('='));
  };
  std::vector<std::string> result;
  const auto set = [&](std::string_view assignment) {
    for (std::string& known : result) {
      if (name(known) != name(assignment)) continue;
      known = assignment;
      return;
    }
    result.emplace_back(assignment);
  };
  for (; *inherited != nullptr; ++inherited) {
    if (!IsSpecVariable(*inherited)) result.emplace_back(*inherited);
  }
  for (const std::string& assignment : more) set(assignment);
  return result;
}

}  // namespace databuild::exec
