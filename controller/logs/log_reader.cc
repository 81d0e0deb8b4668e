#include "controller/logs/log_reader.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <charconv>

namespace databuild {
namespace {

constexpr size_t kMaxExaminedBytes = 8 << 20;  // of lines, by one request
constexpr size_t kMaxPageBytes = 2 << 20;      // of lines in one page
// Where the lines that are no entries begin; they have no sequence numbers.
constexpr int64_t kUnframed = int64_t{1} << 62;
constexpr int32_t kLevelOfOthers = v1::LogMessage::INFO;

TimeNs TimeOf(const v1::JobLogEntry& entry) {
  const std::string& text = entry.timestamp();
  TimeNs time = 0;
  std::from_chars(text.data(), text.data() + text.size(), time);
  return time;
}

// A line that was stored as an entry. One that protobuf cannot read says so.
v1::JobLogEntry Decode(const RunKey& run, int64_t sequence, std::string_view line) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  v1::JobLogEntry entry;
  const auto read =
      google::protobuf::util::JsonStringToMessage({line.data(), line.size()}, &entry, options);
  if (!read.ok()) {
    entry.Clear();
    entry.mutable_log()->set_level(v1::LogMessage::WARN);
    entry.mutable_log()->set_message(PrintableText(line, kKeptUnframedBytes));
    (*entry.mutable_log()->mutable_fields())["stream"] = "unframed";
    (*entry.mutable_log()->mutable_fields())["reason"] = "BadEntry";
    entry.set_job_id(run.run_id);
  }
  entry.set_sequence_number(static_cast<uint64_t>(sequence));
  return entry;
}

// Fills one page, chunk by chunk.
class PageFiller {
 public:
  PageFiller(const LogPageRequest& request, LogPage& page)
      : request_(request), run_{request.graph, request.run_id}, page_(page) {
    page_.next = request.after;
  }

  bool full() const { return full_; }
  // Whether lines of the chunk may be wanted.
  bool Wants(const LogChunkInfo& info) const {
    if (info.last_sequence <= page_.next) return false;
    const bool loud = std::max(info.max_level, kLevelOfOthers) >= request_.min_level;
    return loud && (request_.since == 0 || info.last_ts > request_.since);
  }
  void Pass(const LogChunkInfo& info) { page_.next = std::max(page_.next, info.last_sequence); }

  void Add(const LogChunk& chunk) {
    std::string_view rest = chunk.lines;
    for (int64_t sequence = chunk.info.first_sequence; !rest.empty(); ++sequence) {
      const size_t end = rest.find('\n');
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      if (sequence <= page_.next) continue;
      if (Full(line.size())) return;
      Consider(Decode(run_, sequence, line), line.size());
      page_.next = sequence;
    }
  }

  // Lines without numbers, at the end of a finished log.
  void AddUnframed(const v1::RunLogMark& mark) {
    int64_t position = kUnframed;
    for (const v1::JobLogEntry& entry : mark.unframed()) {
      ++position;
      if (position <= page_.next) continue;
      if (Full(entry.ByteSizeLong())) return;
      Consider(entry, entry.ByteSizeLong());
      page_.next = position;
    }
  }

 private:
  bool Full(size_t line_bytes) {
    examined_ += line_bytes;
    const auto count = static_cast<size_t>(page_.response.entries_size());
    full_ = count >= request_.limit || examined_ > kMaxExaminedBytes ||
            (count > 0 && bytes_ + line_bytes > kMaxPageBytes);
    return full_;
  }
  void Consider(v1::JobLogEntry entry, size_t bytes) {
    const int32_t level = entry.has_log() ? entry.log().level() : kLevelOfOthers;
    if (level < request_.min_level) return;
    if (request_.since != 0 && TimeOf(entry) <= request_.since) return;
    bytes_ += bytes;
    *page_.response.add_entries() = std::move(entry);
  }

  const LogPageRequest& request_;
  const RunKey run_;
  LogPage& page_;
  size_t examined_ = 0;
  size_t bytes_ = 0;
  bool full_ = false;
};

// What is known of the log as a whole, for a run that has no mark.
void TellUnmarked(LogPage& page, const char* reason) {
  page.response.set_logs_complete(false);
  page.response.set_incomplete_reason(reason);
}

}  // namespace

LogReader::LogReader(LogChunks& chunks, const LogCollector& collector, const Clock& clock,
                     DurationNs deadline)
    : chunks_(chunks), collector_(collector), clock_(clock), deadline_(deadline) {}

Result<LogPage> LogReader::ReadLog(const LogPageRequest& request) {
  const RunKey run{request.graph, request.run_id};
  // In this order: what is stored meanwhile is seen twice rather than never.
  const LogCollector::Live live = collector_.Look(run);
  ASSIGN_OR_RETURN(const std::optional<std::string> bytes, chunks_.Mark(run));
  ASSIGN_OR_RETURN(std::vector<LogChunkInfo> stored, chunks_.List(run));
  v1::RunLogMark mark;
  if (bytes && !mark.ParseFromString(*bytes))
    return Error{Errc::kCorrupt, "the mark of run " + run.run_id + " is no RunLogMark"};

  LogPage page;
  PageFiller filler(request, page);
  auto pending = live.pending.begin();
  for (auto next = stored.begin(); !filler.full();) {
    const bool from_memory =
        pending != live.pending.end() &&
        (next == stored.end() || pending->info.first_sequence < next->first_sequence);
    if (!from_memory && next == stored.end()) break;
    const LogChunkInfo& info = from_memory ? pending->info : *next;
    if (!filler.Wants(info)) {
      filler.Pass(info);
    } else if (from_memory) {
      filler.Add(*pending);
    } else {
      ASSIGN_OR_RETURN(const LogChunk chunk, chunks_.Get(run, info.first_sequence));
      filler.Add(chunk);
    }
    from_memory ? static_cast<void>(++pending) : static_cast<void>(++next);
  }
  if (bytes && !filler.full()) filler.AddUnframed(mark);
  page.response.set_has_more(filler.full());

  if (bytes) {
    page.finished = !filler.full();
    page.response.set_logs_complete(mark.complete());
    page.response.set_incomplete_reason(mark.reason());
    page.response.set_dropped_lines(mark.dropped_lines());
    *page.response.mutable_gaps() = mark.gaps();
    return page;
  }
  if (!request.run_live && !request.run_started && !live.collecting && stored.empty()) {
    page.finished = true;  // it ended before it could print
    page.response.set_logs_complete(true);
    return page;
  }
  // Its Job may just not have been seen yet, after a restart.
  const bool given_up =
      !request.run_live && !live.collecting && clock_.Now() > request.run_ended_at + deadline_;
  if (!given_up) {
    TellUnmarked(page, request.run_live ? "Running" : "Collecting");
    return page;
  }
  page.finished = !filler.full();
  TellUnmarked(page, "NotCollected");
  SequenceSet there;
  for (const LogChunkInfo& info : stored) {
    const int64_t first = std::max(info.first_sequence, there.last() + 1);
    if (first <= info.last_sequence) there.AddRange(first, info.last_sequence);
  }
  for (const auto& [first, last] : there.Missing(there.last())) {
    v1::LogGap* gap = page.response.add_gaps();
    gap->set_first_sequence(static_cast<uint64_t>(first));
    gap->set_last_sequence(static_cast<uint64_t>(last));
  }
  page.response.add_gaps()->set_first_sequence(static_cast<uint64_t>(there.last()) + 1);
  return page;
}

}  // namespace databuild
