#include "wrapper/receipt.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "wrapper/manifest.h"
#include "wrapper/text.h"

namespace databuild::exec {
namespace {

std::string Member(const char* key, const std::string& json) {
  return std::string(",\"") + key + "\":" + json;
}

std::string Quoted(std::string_view text) {
  std::string json;
  AppendQuoted(text, &json);
  return json;
}

// A quoted string of at most `bytes`; empty if not even a few characters fit.
std::string QuotedWithin(std::string_view text, size_t bytes) {
  constexpr size_t kWorthwhile = 16;
  if (bytes < kWorthwhile) return "";
  std::string json(bytes, '\0');
  const Escaped done = EscapeInto(text, json.data(), bytes - 2);
  return "\"" + json.substr(0, done.written) + "\"";
}

std::string Essential(const Receipt& receipt) {
  std::string json = "{\"v\":" + std::to_string(kReceiptVersion);
  json += Member("class", Quoted(receipt.outcome));
  if (!receipt.reason.empty()) json += Member("reason", Quoted(receipt.reason));
  json += Member("exitStatus", std::to_string(receipt.exit_status));
  if (receipt.exit_code) json += Member("exitCode", std::to_string(*receipt.exit_code));
  if (receipt.signal) json += Member("signal", std::to_string(*receipt.signal));
  json += Member("startTime", "\"" + std::to_string(receipt.start) + "\"");
  json += Member("endTime", "\"" + std::to_string(receipt.end) + "\"");
  json += Member("lastSequence", std::to_string(receipt.last_sequence));
  json += Member("digest", "{\"crc32c\":\"" + receipt.crc32c + "\",\"sha256\":\"" + receipt.sha256 +
                               "\",\"bytes\":" + std::to_string(receipt.bytes) + "}");
  return json;
}

std::string Counts(const Receipt& receipt) {
  const auto& level = receipt.entries.by_level;
  std::string json = "{\"stdoutLines\":" + std::to_string(receipt.lines.stdout_lines);
  json += Member("stderrLines", std::to_string(receipt.lines.stderr_lines));
  json += Member("debug", std::to_string(level[0])) + Member("info", std::to_string(level[1]));
  json += Member("warn", std::to_string(level[2])) + Member("error", std::to_string(level[3]));
  json += Member("metric", std::to_string(receipt.entries.metrics));
  json += Member("event", std::to_string(receipt.entries.events));
  json += Member("manifest", std::to_string(receipt.entries.manifests));
  return json + "}";
}

std::string DroppedJson(const Dropped& dropped) {
  return "{\"lines\":" + std::to_string(dropped.lines) +
         Member("bytes", std::to_string(dropped.bytes)) +
         Member("rateLines", std::to_string(dropped.rate_lines)) + "}";
}

std::string Usage(const Receipt& receipt) {
  char seconds[32];
  std::snprintf(seconds, sizeof(seconds), "%.3f", receipt.cpu_seconds.value_or(0));
  std::string json = "{\"cpuSeconds\":" + std::string(seconds);
  if (receipt.memory_peak_bytes) {
    json += Member("memoryPeakBytes", std::to_string(*receipt.memory_peak_bytes));
  }
  return json + "}";
}

}  // namespace

std::string RenderReceipt(const Receipt& receipt, size_t bytes_max) {
  constexpr size_t kMessageBytesMax = 640;
  bytes_max = std::max(bytes_max, kReceiptBytesMin) - 1;  // the closing brace
  std::string json = Essential(receipt);
  const auto add = [&](const char* key, const std::string& value) {
    const std::string member = Member(key, value);
    if (value.empty() || json.size() + member.size() > bytes_max) return false;
    json += member;
    return true;
  };
  if (!receipt.missing.empty()) add("missingCount", std::to_string(receipt.missing.size()));
  if (receipt.manifest_parts > 0) add("manifestParts", std::to_string(receipt.manifest_parts));
  add("dropped", DroppedJson(receipt.dropped));
  if (receipt.undelivered > 0) add("undelivered", std::to_string(receipt.undelivered));
  if (!receipt.message.empty()) {
    const size_t room = bytes_max - json.size();
    add("message", QuotedWithin(receipt.message,
                                std::min(room - std::min<size_t>(room, 12), kMessageBytesMax)));
  }
  add("counts", Counts(receipt));
  if (receipt.cpu_seconds) add("usage", Usage(receipt));
  if (!receipt.output_error.empty()) add("outputError", QuotedWithin(receipt.output_error, 128));
  if (!receipt.missing.empty() && !add("missing", JsonArray(receipt.missing))) {
    add("missingTruncated", "true");
  }
  add("manifest", receipt.manifest);
  add("configResponse", receipt.config_response);
  return json + "}";
}

Status WriteReceipt(const std::string& path, const std::string& receipt) {
  const int fd =
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
  if (fd < 0) {
    return Error{Errc::kUnavailable, "open " + path + " for the receipt: " + std::strerror(errno)};
  }
  size_t done = 0;
  int failure = 0;
  while (done < receipt.size() && failure == 0) {
    const ssize_t written = write(fd, receipt.data() + done, receipt.size() - done);
    if (written > 0) {
      done += static_cast<size_t>(written);
    } else if (written == 0 || errno != EINTR) {
      failure = written == 0 ? EIO : errno;
    }
  }
  close(fd);
  if (failure == 0) return {};
  return Error{Errc::kUnavailable, "write the receipt to " + path + ": " + std::strerror(failure)};
}

}  // namespace databuild::exec
