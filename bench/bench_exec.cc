// J1 to J4: throughput and start-up of databuild-exec against the simplest programs that could do
// the same work.
//
//   bench_exec [MEGABYTES]      default 1000, of lines of 100 bytes, in /dev/shm
//
// Framing is compared with a loop that reads, finds line ends, copies each line between a fixed
// frame and a number, and writes: no escaping, no digest, no timestamps. Output beyond the bound is
// compared with a loop that reads and finds line ends. All of them read from `cat` through a pipe
// of the same size and, if they write, write to a pipe that another process empties.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "bench/bench_report.h"

namespace databuild {
namespace {

constexpr char kProgram[] = DATABUILD_EXEC_PATH;
constexpr size_t kLineBytes = 100;
constexpr int kPipeBytes = 256 * 1024;
constexpr int kStarts = 50;

double Now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

std::string MakeFile(size_t megabytes) {
  const std::string path = "/dev/shm/bench_exec." + std::to_string(getpid());
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) Die("create the file of lines in /dev/shm");
  std::string block;
  for (int i = 0; i < 10'000; ++i) {
    std::string line = "2025-01-05T00:00:00Z worker " + std::to_string(i) +
                       " read sales/orders/date=2025-01-05 and wrote 123456 rows of revenue ";
    line.resize(kLineBytes - 1, '.');
    block += line + "\n";
  }
  for (size_t i = 0; i < megabytes; ++i) {
    if (write(fd, block.data(), block.size()) != static_cast<ssize_t>(block.size())) {
      unlink(path.c_str());
      Die("fill the file of lines in /dev/shm (pass a smaller number of megabytes)");
    }
  }
  close(fd);
  return path;
}

// Starts `cat file` and returns the read end of its stdout.
int StartCat(const std::string& file) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) Die("pipe2");
  fcntl(ends[0], F_SETPIPE_SZ, kPipeBytes);
  if (fork() == 0) {
    dup2(ends[1], STDOUT_FILENO);
    execlp("cat", "cat", file.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  return ends[0];
}

// Starts a process that reads everything and forgets it; returns the write end.
int StartDrain() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) Die("pipe2");
  if (fork() == 0) {
    close(ends[1]);
    std::vector<char> block(256 * 1024);
    while (read(ends[0], block.data(), block.size()) > 0) {
    }
    _exit(0);
  }
  close(ends[0]);
  return ends[1];
}

void WaitForAll() {
  while (wait(nullptr) > 0) {
  }
}

// Calls `each(line)` for every line of fd; fills the buffer again when it is used up.
template <typename Each, typename AfterRead>
void ReadLines(int fd, Each each, AfterRead after_read) {
  std::vector<char> buffer(256 * 1024);
  size_t end = 0;
  ssize_t size;
  while ((size = read(fd, buffer.data() + end, buffer.size() - end)) > 0) {
    end += static_cast<size_t>(size);
    size_t begin = 0;
    while (const void* found = std::memchr(buffer.data() + begin, '\n', end - begin)) {
      const auto newline = static_cast<size_t>(static_cast<const char*>(found) - buffer.data());
      each(buffer.data() + begin, newline - begin);
      begin = newline + 1;
    }
    std::memmove(buffer.data(), buffer.data() + begin, end - begin);
    end -= begin;
    after_read();
  }
}

double FrameLoop(const std::string& file) {
  const double start = Now();
  const int in = StartCat(file), out = StartDrain();
  static constexpr char kHead[] =
      R"({"timestamp":"1735000000123456789","jobId":"01234567-89ab-cdef-0123-456789abcdef","sequenceNumber":")";
  static constexpr char kMiddle[] = R"(","log":{"level":"INFO","message":")";
  static constexpr char kTail[] = "\",\"fields\":{\"stream\":\"stdout\"}}}\n";
  std::vector<char> output(4 * 1024 * 1024);
  char* at = output.data();
  size_t sequence = 0;
  const auto put = [&](const char* text, size_t bytes) {
    std::memcpy(at, text, bytes);
    at += bytes;
  };
  ReadLines(
      in,
      [&](const char* line, size_t bytes) {
        put(kHead, sizeof(kHead) - 1);
        at = std::to_chars(at, at + 20, ++sequence).ptr;
        put(kMiddle, sizeof(kMiddle) - 1);
        put(line, bytes);
        put(kTail, sizeof(kTail) - 1);
      },
      [&] {
        for (const char* done = output.data(); done < at;) {
          const ssize_t written = write(out, done, static_cast<size_t>(at - done));
          if (written < 0) Die("write");
          done += written;
        }
        at = output.data();
      });
  close(in);
  close(out);
  WaitForAll();
  return Now() - start;
}

double SplitLoop(const std::string& file) {
  const double start = Now();
  const int in = StartCat(file);
  size_t lines = 0, bytes = 0;
  ReadLines(
      in, [&](const char*, size_t size) { ++lines, bytes += size; }, [] {});
  close(in);
  WaitForAll();
  const double elapsed = Now() - start;
  if (lines * (kLineBytes - 1) != bytes) Die("count lines");
  return elapsed;
}

double RunExec(const std::vector<const char*>& args, bool drained) {
  const double start = Now();
  const int out = drained ? StartDrain() : open("/dev/null", O_WRONLY | O_CLOEXEC);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(out, STDOUT_FILENO);
    std::vector<const char*> argv = args;
    argv.push_back(nullptr);
    execvp(argv[0], const_cast<char* const*>(argv.data()));
    _exit(127);
  }
  close(out);
  int status = 0;
  waitpid(pid, &status, 0);
  WaitForAll();
  if (status != 0) Die(args[0]);
  return Now() - start;
}

// The shortest of many: what the machine does beside it only adds.
double Shortest(const std::function<double()>& start) {
  double best = start();
  for (int i = 1; i < kStarts; ++i) best = std::min(best, start());
  return best;
}

void MeasureThroughput(size_t megabytes, BenchReport* report) {
  const std::string file = MakeFile(megabytes);
  const auto rate = [&](const std::function<double()>& took) {
    return [=] { return static_cast<double>(megabytes) / took(); };
  };
  const auto run = [&](const char* bound) {
    return rate([=] {
      return RunExec({kProgram, "run", "--local", "--output", "bench", "--bound", bound, "--",
                      "cat", file.c_str()},
                     true);
    });
  };
  report->Measure(
      {"J1", "databuild-exec, every line framed", "read-frame-write", "MB/s", 0.5, false}, run("0"),
      rate([&] { return FrameLoop(file); }));
  report->Measure(
      {"J2", "databuild-exec, lines beyond the bound", "read-and-split", "MB/s", 0.7, false},
      run("8388608"), rate([&] { return SplitLoop(file); }));
  unlink(file.c_str());
}

// What is added to the command's own.
double StartMilliseconds() {
  const double bare = Shortest([] { return RunExec({"true"}, false); });
  const double wrapped = Shortest([] {
    return RunExec({kProgram, "run", "--local", "--output", "bench", "--", "true"}, false);
  });
  return (wrapped - bare) * 1000;
}

double ProgramMegabytes() {
  struct stat info = {};
  if (stat(kProgram, &info) != 0) Die(kProgram);
  return static_cast<double>(info.st_size) / 1e6;
}

int Main(int argc, char** argv) {
  BenchReport report;
  const size_t megabytes = argc > 1 ? static_cast<size_t>(std::atoll(argv[1])) : 1000;
  if (BenchReport::WantsOneOf({"J1", "J2"})) MeasureThroughput(megabytes, &report);
  report.MeasureAbsolute({"J3", "databuild-exec, start-up and end", "5 ms", "ms", 5, true},
                         StartMilliseconds);
  report.MeasureAbsolute({"J4", "databuild-exec, size", "3 MB", "MB", 3, true}, ProgramMegabytes);
  return 0;
}

}  // namespace
}  // namespace databuild

int main(int argc, char** argv) { return databuild::Main(argc, argv); }
