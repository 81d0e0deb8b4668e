#include "wrapper/entry.h"

#include <algorithm>
#include <cstring>

#include "bel/base/check.h"
#include "wrapper/text.h"

namespace databuild::exec {
namespace {

constexpr size_t kJobIdBytesMax = 192;         // escaped
constexpr size_t kMetadataBytesMax = 1024;     // of one value, before escaping
constexpr size_t kOutputsBytesMax = 4 * 1024;  // of the list in an entry
constexpr size_t kSplitBytes = 64;  // the fields part and last, and all that closes an entry

char* Put(std::string_view text, char* at) {
  if (text.empty()) return at;  // its data may be null
  std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

std::string_view LogOpening(Level level) {
  switch (level) {
    case Level::kDebug:
      return R"("log":{"level":"DEBUG","message":")";
    case Level::kInfo:
      return R"("log":{"level":"INFO","message":")";
    case Level::kWarn:
      return R"("log":{"level":"WARN","message":")";
    case Level::kError:
      return R"("log":{"level":"ERROR","message":")";
  }
  return "";
}

char* PutPart(uint64_t part, bool last, char* at) {
  at = Put(R"("part":")", at);
  at += WriteDecimal(part, at);
  return Put(last ? R"(","last":"true")" : R"(")", at);
}

// The first bytes of `text`, cut between characters.
std::string_view Cut(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  text = text.substr(0, bytes);
  text.remove_suffix(IncompleteTail(text));
  return text;
}

}  // namespace

EntryWriter::EntryWriter(const Identity& identity, OutputSink* sink, OutputBudget* budget)
    : sink_(sink), budget_(budget), identity_(identity) {
  std::string id;
  AppendEscaped(identity.job_run_id, &id);
  // A run id is a UUID; only --local takes any name.
  prefix_end_ = R"(","jobId":")" + (id.size() <= kJobIdBytesMax ? id : std::string("too-long")) +
                R"(","sequenceNumber":")";
  std::fill(std::begin(digits_), std::end(digits_), '0');
  SetTime(0);
}

void EntryWriter::SetTime(TimeNs now) {
  if (now == now_ && !prefix_.empty()) return;
  now_ = now;
  prefix_ = R"({"timestamp":")" + std::to_string(now) + prefix_end_;
}

char* EntryWriter::Begin() {
  ++sequence_;
  // Counting in decimal: the digits change far less often than they are written.
  size_t at = sizeof(digits_);
  while (digits_[--at] == '9') digits_[at] = '0';
  ++digits_[at];
  digit_count_ = std::max(digit_count_, sizeof(digits_) - at);
  entry_ = sink_->Reserve(kEntryBytesMax);
  char* cursor = Put(prefix_, entry_);
  cursor = Put({digits_ + sizeof(digits_) - digit_count_, digit_count_}, cursor);
  return Put("\",", cursor);
}

void EntryWriter::End(char* at) {
  at = Put("}\n", at);
  const auto size = static_cast<size_t>(at - entry_);
  CHECK(size <= kEntryBytesMax);
  sink_->Commit(size);
  budget_->Wrote(size);
}

uint64_t EntryWriter::LogLine(LogPiece piece, uint64_t part) {
  const bool is_protected = piece.level >= Level::kWarn;
  do {
    if (!piece.kept && !budget_->Admit(is_protected, now_)) {
      budget_->Drop(piece.last, piece.message.size());
      return part + 1;
    }
    char* at = Put(LogOpening(piece.level), Begin());
    const size_t tail = piece.fields.size() + piece.stream.size() + kSplitBytes;
    const size_t room = kEntryBytesMax - static_cast<size_t>(at - entry_) - tail;
    const Escaped text = EscapeInto(piece.message, at, room);
    piece.message.remove_prefix(text.consumed);
    at = Put(R"(","fields":{)", at + text.written);
    at = Put(piece.fields, at);
    at = Put(R"("stream":")", at);
    at = Put(piece.stream, at);
    *at++ = '"';
    const bool last = piece.last && piece.message.empty();
    if (part > 1 || !last) {
      *at++ = ',';
      at = PutPart(part, last, at);
    }
    End(Put("}}", at));
    ++counts_.by_level[static_cast<size_t>(piece.level)];
    ++part;
    piece.fields = {};
  } while (!piece.message.empty());
  return part;
}

void EntryWriter::Metric(std::string_view metric, size_t line_bytes) {
  if (!budget_->Admit(true, now_)) {
    budget_->Drop(true, line_bytes);
    return;
  }
  End(Put(metric, Put(R"("metric":)", Begin())));
  ++counts_.metrics;
}

void EntryWriter::AppendOutputs(std::string* out) const {
  std::string list;
  for (const std::string& ref : identity_.outputs) {
    list += list.empty() ? R"({"str":)" : R"(,{"str":)";
    AppendQuoted(ref, &list);
    list += "}";
    if (list.size() > kOutputsBytesMax) return;  // all of them or none
  }
  if (!list.empty()) *out += "\"outputs\":[" + list + "],";
}

void EntryWriter::AppendContent(std::string_view content) {
  CHECK(content.size() <= kContentBytesMax);
  End(Put(content, Begin()));
}

void EntryWriter::Event(const JobEvent& event) {
  std::string content;
  if (event.with_outputs) AppendOutputs(&content);
  content += R"("jobEvent":{"eventType":)";
  AppendQuoted(event.type, &content);
  std::string metadata;
  for (const auto& [key, value] : event.metadata) {
    std::string member = metadata.empty() ? "" : ",";
    AppendQuoted(key, &member);
    member += ":";
    AppendQuoted(Cut(value, kMetadataBytesMax), &member);
    if (metadata.size() + member.size() <= kContentBytesMax / 2) metadata += member;
  }
  if (!metadata.empty()) content += ",\"metadata\":{" + metadata + "}";
  if (!event.job_status.empty()) {
    content += ",\"jobStatus\":\"" + std::string(event.job_status) + "\"";
  }
  if (event.exit_code) content += ",\"exitCode\":" + std::to_string(*event.exit_code);
  if (!identity_.job_label.empty()) {
    std::string label = ",\"jobLabel\":";
    AppendQuoted(Cut(identity_.job_label, 256), &label);
    if (content.size() + label.size() < kContentBytesMax) content += label;
  }
  AppendContent(content + "}");
  ++counts_.events;
}

void EntryWriter::LongEvent(std::string_view type, std::string_view key, std::string_view value) {
  for (uint64_t part = 1; part == 1 || !value.empty(); ++part) {
    char* at = Put(R"("jobEvent":{"eventType":")", Begin());
    at = Put(type, at);
    at = Put(R"(","metadata":{")", at);
    at = Put(key, at);
    at = Put(R"(":")", at);
    const size_t room = kEntryBytesMax - static_cast<size_t>(at - entry_) - kSplitBytes;
    const Escaped text = EscapeInto(value, at, room);
    value.remove_prefix(text.consumed);
    at = Put(R"(",)", at + text.written);
    End(Put("}}", PutPart(part, value.empty(), at)));
    ++counts_.events;
  }
}

void EntryWriter::Manifest(std::string_view manifest) {
  AppendContent("\"manifest\":" + std::string(manifest));
  ++counts_.manifests;
}

}  // namespace databuild::exec
