// One writer process of the torture suite: callers append through an EventLog, pollers read from
// it, and everything they see goes to standard output as lines of a history.
//
//   torture_writer URI PROCESS_NUMBER RESUBMIT_FILE
//
// RESUBMIT_FILE holds tags of batches whose outcome nobody knows: they are appended again first.
// Ends with 0 on SIGTERM, 10 when fenced, 11 when the log is damaged, 12 when it could not open it.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <fstream>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "bel/base/crc32c.h"
#include "bel/base/log.h"
#include "bel/event_log.h"
#include "bel/open_storage.h"
#include "tests/torture/workload.h"

namespace databuild::torture {
namespace {

constexpr int kCallers = 4, kPollers = 3;
std::atomic<int> stopped = 0;   // set by SIGTERM: lock-free, so a handler may
std::atomic<int> terminal = 0;  // exit code, once the log is lost for good

TimeNs Monotonic() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

bool Running() { return stopped == 0 && terminal == 0; }

void Write(const std::string& line) {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  for (size_t done = 0; done < line.size();) {
    const ssize_t wrote = write(1, line.data() + done, line.size() - done);
    if (wrote <= 0) _exit(1);  // nobody listens any more
    done += static_cast<size_t>(wrote);
  }
}

int CodeOf(const Error& error) { return error.code == Errc::kFenced ? 10 : 11; }

// Appends one batch until its outcome is known, also when told to stop meanwhile.
void AppendBatch(EventLog& log, const std::string& tag) {
  std::vector<v1::BuildEvent> events = BatchOf(tag);
  AppendSeen seen{tag, static_cast<int>(events.size()), Monotonic(), 0, {}};
  Write(AppendLine(seen));
  while (terminal == 0) {
    auto idx = log.Append(events);
    if (idx.ok()) {
      seen.acknowledged = Monotonic();
      seen.idx = std::move(*idx);
      Write(AppendLine(seen));
      return;
    }
    if (idx.error().code == Errc::kFenced || idx.error().code == Errc::kCorrupt) {
      terminal = CodeOf(idx.error());
    } else if (idx.error().code != Errc::kUnavailable) {
      std::fprintf(stderr, "torture_writer: %s\n", idx.error().message.c_str());
      terminal = 13;
    }
  }
}

void Call(EventLog& log, const std::string& prefix) {
  std::mt19937 random(Crc32c(prefix));
  for (int number = 0; Running(); ++number) {
    AppendBatch(log, prefix + "-" + std::to_string(number));
    // Callers have other things to do; bounded by the timeout of the whole test.
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 8'000));
  }
}

Filter RandomFilter(std::mt19937& random, int process) {
  const std::string group = std::to_string(random() % 5);
  switch (random() % 5) {
    case 0:
      return {Filter::Kind::kRef, "torture/" + group + "/" + std::to_string(random() % 40)};
    case 1:
      return {Filter::Kind::kGroup, "torture/" + group};
    case 2:
      return {Filter::Kind::kBatch, std::to_string(process) + "-" + std::to_string(random() % 4) +
                                        "-" + std::to_string(random() % 500)};
    default:
      return {Filter::Kind::kAll, ""};
  }
}

std::shared_ptr<const EventMatcher> MatcherOf(const Filter& filter) {
  v1::EventFilter proto;
  if (filter.kind == Filter::Kind::kAll) return nullptr;
  if (filter.kind == Filter::Kind::kBatch) proto.add_want_ids(filter.value);
  if (filter.kind == Filter::Kind::kRef) proto.add_partition_refs(filter.value);
  if (filter.kind == Filter::Kind::kGroup) proto.add_partition_patterns(filter.value + "/*");
  return std::make_shared<const EventMatcher>(EventMatcher::Compile(proto).value());
}

// One page; the idx to go on from.
int64_t PollOnce(const EventLog& log, PollSeen seen, ListRequest request) {
  request.since_idx = seen.since;
  request.matcher = MatcherOf(seen.filter);
  const auto page = log.ListEvents(request);
  if (!page.ok()) {
    std::fprintf(stderr, "torture_writer: %s\n", page.error().message.c_str());
    return seen.since;
  }
  v1::EventPage events;
  if (!events.ParseFromString(page->events)) terminal = 13;
  for (const v1::BuildEvent& event : events.events()) {
    ++seen.count;
    seen.hash = HashEvent(seen.hash, event.idx(), event.event_id());
  }
  seen.next = page->next_idx;
  seen.head = page->head_idx;
  seen.has_more = page->has_more;
  seen.epoch = page->epoch;
  seen.log_id = page->log_id;
  Write(PollLine(seen));
  return seen.next;
}

// Follows the log under a random filter for a while, then begins anew somewhere else.
void Poll(const EventLog& log, int process, int poller) {
  std::mt19937 random(static_cast<unsigned>(process * 100 + poller));
  PollSeen seen;
  seen.reader = std::to_string(process) + "-" + std::to_string(poller);
  for (int polls = 0; Running(); ++polls) {
    if (polls % 40 == 0) {
      seen.filter = RandomFilter(random, process);
      const int64_t head = log.head();
      const int64_t back = static_cast<int64_t>(random() % 20'000);
      seen.since = polls % 400 == 0 ? 0 : std::max<int64_t>(0, head - back);
    }
    ListRequest request;
    request.limit = 1 + static_cast<int64_t>(random() % 500);
    request.wait = random() % 3 == 0 ? 50 * kMillisecond : 0;
    seen.since = PollOnce(log, seen, request);
    // A client on a timer; bounded by the timeout of the whole test.
    std::this_thread::sleep_for(std::chrono::milliseconds(5 + random() % 20));
  }
}

std::unique_ptr<EventLog> Open(Storage& storage, LogWriter& writer, const Clock& clock) {
  LogOptions options;
  options.storage = &storage;
  options.graph = kGraph;
  options.holder = "torture-" + std::to_string(getpid());
  options.cluster_uid = kCluster;
  options.clock = &clock;
  options.writer = &writer;
  options.append_timeout = 3 * kSecond;
  options.on_terminal = [](const Error& error) {
    std::fprintf(stderr, "torture_writer: %s\n", error.message.c_str());
    terminal = CodeOf(error);
  };
  const TimeNs deadline = Monotonic() + 60 * kSecond;
  while (stopped == 0 && Monotonic() < deadline) {
    const Status ready = storage.Initialize();
    auto log =
        ready.ok() ? EventLog::Open(options) : Result<std::unique_ptr<EventLog>>(ready.error());
    if (log.ok()) return std::move(*log);
    std::fprintf(stderr, "torture_writer: %s\n", log.error().message.c_str());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return nullptr;
}

int Run(const std::string& uri, int process, const std::string& resubmit) {
  SetLogLevel(LogLevel::kError);
  StorageOptions options;
  options.timeouts = {2 * kSecond, 2 * kSecond};
  const auto storage = OpenStorage(uri, options);
  if (!storage.ok()) return 12;
  const SystemClock clock;
  LogWriter writer(storage->get());
  const auto log = Open(**storage, writer, clock);
  if (log == nullptr) return stopped != 0 ? 0 : 12;
  std::ifstream tags(resubmit);
  for (std::string tag; std::getline(tags, tag) && Running();) AppendBatch(*log, tag);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kCallers; ++i) {
      threads.emplace_back(
          [&, i] { Call(*log, std::to_string(process) + "-" + std::to_string(i)); });
    }
    for (int i = 0; i < kPollers; ++i) threads.emplace_back([&, i] { Poll(*log, process, i); });
  }
  return terminal;
}

}  // namespace
}  // namespace databuild::torture

int main(int argc, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // an aborted test leaves no writer behind
  if (argc != 4) return 2;
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, [](int) { databuild::torture::stopped = 1; });
  return databuild::torture::Run(argv[1], std::atoi(argv[2]), argv[3]);
}
