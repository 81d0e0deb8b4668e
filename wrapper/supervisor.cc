#include "wrapper/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "wrapper/conclusion.h"
#include "wrapper/entry.h"
#include "wrapper/lines.h"
#include "wrapper/outcome.h"
#include "wrapper/process.h"
#include "wrapper/receipt.h"
#include "wrapper/usage.h"
#include "wrapper/workdir.h"

namespace databuild::exec {
namespace {

// How long grandchildren may hold the pipes open after the command's end.
constexpr DurationNs kDrain = 5 * kSecond;
// And until what they left in the pipes is given up, once they are killed.
constexpr DurationNs kAbandon = kSecond;
// How long the reader of stdout may take for the rest. With the two above less than kWrapUpSeconds.
constexpr DurationNs kFlush = 8 * kSecond;
constexpr DurationNs kKillAgain = kSecond;
constexpr size_t kReaderBytes = 256 * 1024;

constexpr int kForwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

sigset_t HandledSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  for (const int signal : kForwarded) sigaddset(&set, signal);
  return set;
}

int64_t Now(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}
TimeNs WallNow() { return Now(CLOCK_REALTIME); }
int64_t MonotonicNow() { return Now(CLOCK_MONOTONIC); }

// One of the command's pipes.
struct Source {
  Source(JobLines::Stream stream, size_t capacity) : reader(stream, capacity) {}
  int fd = -1;        // -1: at its end
  bool done = false;  // at its end, and everything handed on
  LineReader reader;
};

class Supervisor {
 public:
  explicit Supervisor(const RunContext& context);
  ~Supervisor();

  int Execute();

 private:
  bool Launch();
  void Loop();
  bool HandOn();  // true if there is more to hand on
  void Wait(bool backlog);
  void Read(Source* source);
  void TakeSignals();
  void Reap();
  void Stop(Ending why, int signal);
  void Tick();
  void TickAfterExit(int64_t now);
  int64_t NextDeadline() const;
  void Heartbeat();
  bool Finished() const { return exited_ && out_.done && err_.done; }
  void GiveUpReading();
  void FlushAtEnd();

  const RunContext& context_;
  const RunSpec& spec_;
  OutputSink sink_;
  OutputBudget budget_;
  EntryWriter writer_;
  JobLines lines_;
  Source out_;
  Source err_;
  RunRecord record_;
  int signal_fd_ = -1;
  pid_t child_ = 0;
  bool exited_ = false;

  // Monotonic nanoseconds; 0: not set.
  int64_t started_at_ = 0;
  int64_t timeout_at_ = 0;
  int64_t kill_at_ = 0;
  int64_t heartbeat_at_ = 0;
  int64_t drain_until_ = 0;
  int64_t abandon_at_ = 0;
  int64_t flush_until_ = 0;
};

Supervisor::Supervisor(const RunContext& context)
    : context_(context),
      spec_(context.spec),
      sink_(context.stdout_fd),
      budget_({.bound_bytes = spec_.output_bound_bytes, .rate_bytes = spec_.output_rate_bytes}),
      writer_({spec_.job_run_id, spec_.job_label, spec_.outputs}, &sink_, &budget_),
      lines_(&writer_, &budget_, spec_.configure),
      out_(JobLines::Stream::kStdout,
           spec_.configure ? kConfigResponseBytesMax + kReaderBytes : kReaderBytes),
      err_(JobLines::Stream::kStderr, kReaderBytes) {
  const sigset_t set = HandledSignals();
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

Supervisor::~Supervisor() {
  for (const int fd : {signal_fd_, out_.fd, err_.fd}) {
    if (fd >= 0) close(fd);
  }
}

int Supervisor::Execute() {
  record_.start = WallNow();
  record_.usage_before = ReadUsage("", getpid());
  writer_.SetTime(record_.start);
  writer_.Event({.type = kEventConfigValid,
                 .metadata = {{"outputs", std::to_string(spec_.outputs.size())},
                              {"inputs", std::to_string(spec_.inputs.size())}},
                 .job_status = {},
                 .exit_code = {},
                 .with_outputs = true});
  if (Launch()) {
    Loop();
    KillLeftovers();
  }
  record_.end = WallNow();
  writer_.SetTime(record_.end);
  Conclusion conclusion(context_, &record_, &writer_);
  conclusion.WriteEntries(lines_, budget_);
  FlushAtEnd();
  conclusion.WriteReceipt(sink_, lines_, budget_);
  if (record_.work_dir) record_.work_dir->Remove();
  return conclusion.exit_status();
}

bool Supervisor::Launch() {
  Result<WorkDir> work_dir = WorkDir::Create(context_.work_parents, spec_);
  if (!work_dir.ok()) {
    record_.launch_error = work_dir.error();
    record_.launch_reason = kReasonWorkDir;
    return false;
  }
  record_.work_dir = *work_dir;
  Command command{context_.command,
                  BuildEnvironment(context_.environment, CommandVariables(spec_, *work_dir))};
  command.argv.insert(command.argv.end(), spec_.args.begin(), spec_.args.end());
  const Result<Child> child = StartCommand(command);
  if (!child.ok()) {
    record_.launch_error = child.error();
    return false;
  }
  child_ = child.value().pid;
  out_.fd = child.value().stdout_fd;
  err_.fd = child.value().stderr_fd;
  started_at_ = MonotonicNow();
  if (spec_.timeout_seconds > 0) timeout_at_ = started_at_ + spec_.timeout_seconds * kSecond;
  if (spec_.heartbeat_seconds > 0) heartbeat_at_ = started_at_ + spec_.heartbeat_seconds * kSecond;
  writer_.SetTime(WallNow());
  writer_.Event({.type = kEventLaunched,
                 .metadata = {{"command", command.argv[0]},
                              {"args", std::to_string(command.argv.size() - 1)},
                              {"pid", std::to_string(child_)}},
                 .job_status = "JOB_RUNNING",
                 .exit_code = {}});
  return true;
}

void Supervisor::Loop() {
  while (!Finished()) {
    const bool backlog = HandOn();
    sink_.Flush();
    if (Finished()) break;
    Wait(backlog && sink_.HasRoom());
    Tick();
  }
}

bool Supervisor::HandOn() {
  bool backlog = false;
  for (Source* source : {&out_, &err_}) {
    if (source->done) continue;
    const bool all = source->reader.Cut(&lines_, sink_, source->fd < 0);
    source->done = all && source->fd < 0;
    backlog = backlog || !all;
  }
  return backlog;
}

void Supervisor::Wait(bool backlog) {
  std::array<pollfd, 4> polled;
  std::array<Source*, 4> sources{};
  nfds_t count = 0;
  polled[count++] = {signal_fd_, POLLIN, 0};
  for (Source* source : {&out_, &err_}) {
    // While the reader of stdout is behind, the command's output waits in its pipes.
    if (source->fd < 0 || !sink_.HasRoom() || source->reader.Space().size == 0) continue;
    sources[count] = source;
    polled[count++] = {source->fd, POLLIN, 0};
  }
  if (sink_.pending()) polled[count++] = {sink_.fd(), POLLOUT, 0};
  int timeout_ms = 0;
  if (!backlog) {
    constexpr int64_t kLongest = 3600 * kSecond;
    const int64_t deadline = NextDeadline();
    const int64_t wait = deadline == 0 ? kLongest : deadline - MonotonicNow();
    timeout_ms = static_cast<int>((std::clamp<int64_t>(wait, 0, kLongest) + kMillisecond - 1) /
                                  kMillisecond);
  }
  if (poll(polled.data(), count, timeout_ms) <= 0) return;
  if (polled[0].revents != 0) TakeSignals();
  for (nfds_t i = 1; i < count; ++i) {
    if (sources[i] != nullptr && polled[i].revents != 0) Read(sources[i]);
  }
}

void Supervisor::Read(Source* source) {
  const LineReader::Span space = source->reader.Space();
  const ssize_t size = read(source->fd, space.data, space.size);
  if (size > 0) {
    writer_.SetTime(WallNow());
    source->reader.Filled(static_cast<size_t>(size));
  } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
    close(source->fd);
    source->fd = -1;
  }
}

void Supervisor::TakeSignals() {
  signalfd_siginfo info;
  while (read(signal_fd_, &info, sizeof(info)) == sizeof(info)) {
    const int signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGCHLD) {
      Reap();
    } else if (signal == SIGTERM || signal == SIGINT) {
      Stop(Ending::kTerminated, signal);
    } else if (!exited_) {
      SignalChild(child_, signal);
    }
  }
}

void Supervisor::Reap() {
  int status = 0;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid != child_) continue;  // an orphan of the command's
    exited_ = true;
    record_.wait_status = status;
    record_.end = WallNow();
    drain_until_ = MonotonicNow() + kDrain;
    flush_until_ = MonotonicNow() + kDrain + kFlush;
    timeout_at_ = kill_at_ = heartbeat_at_ = 0;
  }
}

// Asks the command to end; what happens then is no longer its own doing.
void Supervisor::Stop(Ending why, int signal) {
  Reap();  // if it has ended already, it ended by itself
  if (exited_) return;
  const bool again = record_.ending != Ending::kItself;
  if (!again) {
    record_.ending = why;
    record_.terminated_by = why == Ending::kTerminated ? signal : 0;
    kill_at_ = MonotonicNow() + spec_.grace_seconds * kSecond;
    timeout_at_ = 0;
  } else if (signal == SIGINT) {
    kill_at_ = MonotonicNow();  // Ctrl-C twice: at once
  }
  SignalChild(child_, signal);
}

void Supervisor::Tick() {
  const int64_t now = MonotonicNow();
  if (timeout_at_ != 0 && now >= timeout_at_) Stop(Ending::kTimeout, SIGTERM);
  if (kill_at_ != 0 && now >= kill_at_) {
    SignalChild(child_, SIGKILL);
    kill_at_ = now + kKillAgain;
  }
  if (heartbeat_at_ != 0 && now >= heartbeat_at_) Heartbeat();
  if (exited_) TickAfterExit(now);
}

void Supervisor::TickAfterExit(int64_t now) {
  if (flush_until_ != 0 && now >= flush_until_) {
    sink_.Close("the reader of stdout did not keep up after the command's end");
    flush_until_ = 0;
  }
  if (drain_until_ != 0 && now >= drain_until_) {
    KillLeftovers();
    drain_until_ = 0;
    abandon_at_ = MonotonicNow() + kAbandon;
  }
  // Nobody is alive to write, but one that cannot be killed may still hold the pipe. As long as the
  // reader of stdout is behind, flush_until_ decides.
  if (abandon_at_ != 0 && now >= abandon_at_ && sink_.HasRoom()) GiveUpReading();
}

void Supervisor::GiveUpReading() {
  for (Source* source : {&out_, &err_}) {
    if (source->fd >= 0) close(source->fd);
    source->fd = -1;
  }
  abandon_at_ = 0;
}

int64_t Supervisor::NextDeadline() const {
  int64_t next = 0;
  for (const int64_t deadline :
       {timeout_at_, kill_at_, heartbeat_at_, drain_until_, abandon_at_, flush_until_}) {
    if (deadline != 0 && (next == 0 || deadline < next)) next = deadline;
  }
  return next;
}

void Supervisor::Heartbeat() {
  const int64_t now = MonotonicNow();
  heartbeat_at_ = now + spec_.heartbeat_seconds * kSecond;
  if (!sink_.HasRoom()) return;  // it would only pile up
  writer_.SetTime(WallNow());
  JobEvent event{.type = kEventHeartbeat, .metadata = {}, .job_status = {}, .exit_code = {}};
  AppendUsage(record_.usage_before, ReadUsage("", child_), &event.metadata);
  event.metadata.emplace_back("uptimeSeconds", std::to_string((now - started_at_) / kSecond));
  event.metadata.emplace_back("stdoutLines", std::to_string(lines_.counts().stdout_lines));
  event.metadata.emplace_back("stderrLines", std::to_string(lines_.counts().stderr_lines));
  event.metadata.emplace_back("droppedLines", std::to_string(budget_.dropped().lines));
  writer_.Event(event);
}

// Until the reader has everything or has used up its time. A second SIGTERM does not shorten it:
// kWrapUpSeconds of the pod's grace period are meant for this.
void Supervisor::FlushAtEnd() {
  const int64_t until = MonotonicNow() + kFlush;
  for (sink_.Flush(); sink_.pending(); sink_.Flush()) {
    const int64_t left = until - MonotonicNow();
    pollfd writable{sink_.fd(), POLLOUT, 0};
    if (left <= 0) {
      sink_.Close("the reader of stdout did not keep up after the command's end");
      return;
    }
    poll(&writable, 1, static_cast<int>(left / kMillisecond) + 1);
  }
}

}  // namespace

void BlockSignals() {
  const sigset_t set = HandledSignals();
  sigprocmask(SIG_BLOCK, &set, nullptr);
}

int RunJob(const RunContext& context) { return Supervisor(context).Execute(); }

int RefuseRun(const RunContext& context, const std::string& message) {
  OutputSink sink(context.stdout_fd);
  OutputBudget budget({});
  EntryWriter writer({context.spec.job_run_id, context.spec.job_label, {}}, &sink, &budget);
  JobLines lines(&writer, &budget, false);
  RunRecord record;
  record.start = record.end = WallNow();
  record.spec_error = message;
  writer.SetTime(record.start);
  Conclusion conclusion(context, &record, &writer);
  conclusion.WriteEntries(lines, budget);
  sink.Flush();
  conclusion.WriteReceipt(sink, lines, budget);
  return conclusion.exit_status();
}

}  // namespace databuild::exec
