// Reading back what was written, for tests: memory behind an OutputSink, and entries as JSON.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "wrapper/protocol.h"

namespace databuild::exec {

// A file in memory to stand for stdout.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("stdout", MFD_CLOEXEC)) {}
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  int fd() const { return fd_; }
  std::string Content() const {
    std::string content;
    char block[65536];
    ssize_t size;
    while ((size = pread(fd_, block, sizeof(block), static_cast<off_t>(content.size()))) > 0) {
      content.append(block, static_cast<size_t>(size));
    }
    return content;
  }

 private:
  const int fd_;
};

// Every line of `output`, checked on the way: whole, below the size limit, JSON (valid UTF-8
// included), numbered from 1 without a gap.
inline std::vector<nlohmann::json> ParseEntries(const std::string& output) {
  std::vector<nlohmann::json> entries;
  size_t at = 0;
  while (at < output.size()) {
    const size_t end = output.find('\n', at);
    if (end == std::string::npos) {
      ADD_FAILURE() << "the last line has no end: " << output.substr(at, 200);
      break;
    }
    EXPECT_LE(end + 1 - at, kEntryBytesMax);
    const auto begin = output.begin() + static_cast<long>(at);
    entries.push_back(
        nlohmann::json::parse(begin, output.begin() + static_cast<long>(end), nullptr, false));
    if (entries.back().is_discarded()) {
      ADD_FAILURE() << "not JSON: " << output.substr(at, std::min<size_t>(end - at, 300));
      break;
    }
    EXPECT_EQ(entries.back()["sequenceNumber"], std::to_string(entries.size()));
    at = end + 1;
  }
  return entries;
}

// The lines of one stream, parts joined again. `last` closes a line that was split.
inline std::vector<std::string> JoinLines(const std::vector<nlohmann::json>& entries,
                                          const std::string& stream) {
  std::vector<std::string> lines;
  uint64_t expected_part = 1;
  for (const nlohmann::json& entry : entries) {
    if (!entry.contains("log") || entry["log"]["fields"].value("stream", "") != stream) continue;
    const nlohmann::json& fields = entry["log"]["fields"];
    const std::string message = entry["log"]["message"];
    if (!fields.contains("part")) {
      EXPECT_EQ(expected_part, 1u);
      lines.push_back(message);
      continue;
    }
    EXPECT_EQ(fields["part"], std::to_string(expected_part));
    if (expected_part == 1) lines.emplace_back();
    lines.back() += message;
    expected_part = fields.contains("last") ? 1 : expected_part + 1;
  }
  EXPECT_EQ(expected_part, 1u) << "a split line has no last part";
  return lines;
}

inline std::vector<nlohmann::json> EventsOf(const std::vector<nlohmann::json>& entries,
                                            const std::string& type) {
  std::vector<nlohmann::json> events;
  for (const nlohmann::json& entry : entries) {
    if (entry.contains("jobEvent") && entry["jobEvent"]["eventType"] == type) {
      events.push_back(entry["jobEvent"]);
    }
  }
  return events;
}

// A LongEvent's value, its parts joined.
inline std::string JoinEvent(const std::vector<nlohmann::json>& entries, const std::string& type,
                             const std::string& key) {
  std::string value;
  size_t part = 0;
  const std::vector<nlohmann::json> events = EventsOf(entries, type);
  for (const nlohmann::json& event : events) {
    EXPECT_EQ(event["metadata"]["part"], std::to_string(++part));
    EXPECT_EQ(event["metadata"].contains("last"), part == events.size());
    value += event["metadata"][key].get<std::string>();
  }
  return value;
}

}  // namespace databuild::exec
