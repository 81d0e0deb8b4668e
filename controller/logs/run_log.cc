#include "controller/logs/run_log.h"

#include <algorithm>

#include "wrapper/digest.h"

namespace databuild {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";

// Length of the valid UTF-8 character at the beginning of `bytes`; 0: there is none.
size_t CharacterAt(std::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const uint8_t lead = at(0);
  if (lead < 0x80) return 1;
  const size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || bytes.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xE0 && at(1) < 0xA0) || (lead == 0xF0 && at(1) < 0x90);
  const bool beyond = (lead == 0xED && at(1) > 0x9F) || (lead == 0xF4 && at(1) > 0x8F);
  return overlong || beyond ? 0 : size;
}

}  // namespace

std::string PrintableText(std::string_view bytes, size_t max_bytes) {
  std::string text;
  while (!bytes.empty() && text.size() < max_bytes) {
    const size_t size = CharacterAt(bytes);
    const auto lead = static_cast<uint8_t>(bytes[0]);
    const bool control = size == 1 && (lead < 0x20 || lead == 0x7F) && lead != '\t';
    if (size == 0 || control) {
      text += kReplacement;
    } else {
      text += bytes.substr(0, size);
    }
    bytes.remove_prefix(std::max<size_t>(size, 1));
  }
  return text;
}

RunLog::RunLog(RunLogSetup setup) : setup_(std::move(setup)), parser_(setup_.run.run_id) {}

Status RunLog::Resume() {
  {
    const std::lock_guard lock(mutex_);
    pending_.clear();
  }
  pending_bytes_ = 0;
  there_ = SequenceSet();
  newest_time_ = 0;
  ASSIGN_OR_RETURN(const std::vector<LogChunkInfo> stored, setup_.chunks->List(setup_.run));
  for (const LogChunkInfo& chunk : stored) {
    // Chunks of an operator that was replaced may overlap with those of the next.
    const int64_t first = std::max(chunk.first_sequence, there_.last() + 1);
    if (first <= chunk.last_sequence) there_.AddRange(first, chunk.last_sequence);
    newest_time_ = std::max(newest_time_, chunk.last_ts);
  }
  return {};
}

void RunLog::BeginRead(bool from_start) {
  if (!from_start) return;
  refused_lines_ = 0;
  unframed_lines_ = 0;
  unframed_.clear();
}

void RunLog::KeepUnframed(std::string_view line, const char* why) {
  ++unframed_lines_;
  if (unframed_.size() >= kKeptUnframedLines) return;
  v1::JobLogEntry& entry = unframed_.emplace_back();
  entry.set_timestamp(std::to_string(setup_.clock->Now()));
  entry.set_job_id(setup_.run.run_id);
  entry.mutable_log()->set_level(v1::LogMessage::WARN);
  entry.mutable_log()->set_message(PrintableText(line, kKeptUnframedBytes));
  auto& fields = *entry.mutable_log()->mutable_fields();
  fields["stream"] = "unframed";
  fields["reason"] = why;
  fields["bytes"] = std::to_string(line.size());
}

void RunLog::Add(std::string_view line, bool cut) {
  if (cut) return KeepUnframed(line, "TooLong");
  const JudgedLine judged = parser_.Judge(line);
  if (!judged.entry) return KeepUnframed(line, judged.unframed);
  if (there_.Contains(judged.entry->sequence)) return;
  if (!there_.Add(judged.entry->sequence)) {
    ++refused_lines_;
    return;
  }
  Append(line, *judged.entry);
  if (setup_.on_line) setup_.on_line(*judged.entry);
}

void RunLog::Append(std::string_view line, const LogLine& entry) {
  const std::lock_guard lock(mutex_);
  LogChunk* chunk = pending_.empty() ? nullptr : &pending_.back();
  if (chunk == nullptr || chunk->info.last_sequence != entry.sequence - 1 ||
      chunk->lines.size() >= kLogChunkBytes) {
    chunk = &pending_.emplace_back();
    chunk->info = {entry.sequence, entry.sequence, entry.timestamp, entry.timestamp, 0};
  }
  LogChunkInfo& info = chunk->info;
  info.last_sequence = entry.sequence;
  info.first_ts = std::min(info.first_ts, entry.timestamp);
  info.last_ts = std::max(info.last_ts, entry.timestamp);
  info.max_level = std::max(info.max_level, entry.level.value_or(0));
  chunk->lines += line;
  chunk->lines += '\n';
  if (pending_bytes_ == 0) pending_since_ = setup_.clock->Now();
  pending_bytes_ += line.size() + 1;
  newest_time_ = std::max(newest_time_, entry.timestamp);
}

Status RunLog::Store() {
  while (true) {
    const LogChunk* chunk = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (pending_.empty()) break;
      chunk = &pending_.front();  // only this thread changes it
    }
    RETURN_IF_ERROR(setup_.chunks->Put(setup_.run, *chunk, setup_.clock->Now()));
    const std::lock_guard lock(mutex_);
    pending_bytes_ -= chunk->lines.size();
    pending_.erase(pending_.begin());
  }
  pending_bytes_ = 0;
  return {};
}

bool RunLog::HasAllOf(const std::optional<LogReceipt>& receipt) const {
  return receipt && there_.Missing(receipt->last_sequence).empty();
}

std::vector<LogChunk> RunLog::Pending() const {
  std::vector<LogChunk> copy;
  {
    const std::lock_guard lock(mutex_);
    copy = pending_;
  }
  std::sort(copy.begin(), copy.end(), [](const LogChunk& a, const LogChunk& b) {
    return a.info.first_sequence < b.info.first_sequence;
  });
  return copy;
}

// Reads back what is stored, a chunk at a time: the proof is about that, not about what was sent.
Result<bool> RunLog::DigestAgrees(const LogReceipt& receipt) {
  if (receipt.crc32c.empty() && receipt.sha256.empty()) return true;
  exec::StreamDigest digest;
  ASSIGN_OR_RETURN(const std::vector<LogChunkInfo> stored, setup_.chunks->List(setup_.run));
  int64_t next = 1;
  for (const LogChunkInfo& info : stored) {
    ASSIGN_OR_RETURN(const LogChunk chunk, setup_.chunks->Get(setup_.run, info.first_sequence));
    std::string_view lines = chunk.lines;
    for (int64_t line = info.first_sequence; line < next && !lines.empty(); ++line)
      lines.remove_prefix(lines.find('\n') + 1);
    digest.Update(lines);
    next = std::max(next, info.last_sequence + 1);
  }
  return (receipt.crc32c.empty() || digest.Crc32cHex() == receipt.crc32c) &&
         (receipt.sha256.empty() || digest.Sha256Hex() == receipt.sha256);
}

Result<v1::RunLogMark> RunLog::Conclude(const std::optional<LogReceipt>& receipt,
                                        const std::string& reason) {
  CHECK(pending_bytes_ == 0);
  v1::RunLogMark mark;
  mark.set_concluded_at(setup_.clock->Now());
  const int64_t last = receipt ? receipt->last_sequence : there_.last();
  for (const auto& [first, end] : there_.Missing(last)) {
    v1::LogGap* gap = mark.add_gaps();
    gap->set_first_sequence(static_cast<uint64_t>(first));
    gap->set_last_sequence(static_cast<uint64_t>(end));
  }
  if (!receipt) {
    mark.add_gaps()->set_first_sequence(static_cast<uint64_t>(last) + 1);
    mark.set_reason(reason.empty() ? "NoReceipt" : reason);
  } else {
    mark.set_last_sequence(static_cast<uint64_t>(last));
    mark.set_dropped_lines(receipt->dropped_lines);
    if (!mark.gaps().empty()) {
      mark.set_reason(reason.empty() ? "LogGap" : reason);
    } else {
      ASSIGN_OR_RETURN(const bool agrees, DigestAgrees(*receipt));
      if (!agrees) mark.set_reason("DigestMismatch");
    }
  }
  mark.set_complete(mark.reason().empty());
  mark.set_unframed_lines(unframed_lines_ + refused_lines_);
  for (v1::JobLogEntry& entry : unframed_) *mark.add_unframed() = std::move(entry);
  unframed_.clear();
  RETURN_IF_ERROR(
      setup_.chunks->PutMark(setup_.run, mark.SerializeAsString(), setup_.clock->Now()));
  return mark;
}

}  // namespace databuild
