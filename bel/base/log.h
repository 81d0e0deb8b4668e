// Structured log lines: one JSON object per line on stderr, over spdlog.
//
//   LogInfo("log acquired", {{"graph", graph}, {"epoch", epoch}});
//
// gives {"time":"2025-01-05T00:00:00Z","level":"info","msg":"log
// acquired","graph":"sales","epoch":3}
//
// Thread-safe. Never pass a secret: a URI goes through RedactUri first.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace databuild {

// kAudit is above all others: who did what is told at every level.
enum class LogLevel { kDebug, kInfo, kWarn, kError, kAudit };

class LogField {
 public:
  LogField(std::string_view key, std::string_view value) : key_(key), value_(value) {}
  LogField(std::string_view key, const std::string& value) : key_(key), value_(value) {}
  LogField(std::string_view key, const char* value) : key_(key), value_(std::string_view(value)) {}
  LogField(std::string_view key, bool value) : key_(key), value_(value) {}
  LogField(std::string_view key, double value) : key_(key), value_(value) {}
  template <typename T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
      LogField(std::string_view key, T value)
      : key_(key), value_(static_cast<int64_t>(value)) {}

  std::string_view key() const { return key_; }
  const std::variant<std::string_view, int64_t, double, bool>& value() const { return value_; }

 private:
  std::string_view key_;
  std::variant<std::string_view, int64_t, double, bool> value_;
};

using LogFields = std::initializer_list<LogField>;

void Log(LogLevel level, std::string_view message, LogFields fields = {});
inline void LogDebug(std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kDebug, message, fields);
}
inline void LogInfo(std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kInfo, message, fields);
}
inline void LogWarn(std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kWarn, message, fields);
}
inline void LogError(std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kError, message, fields);
}
inline void LogAudit(std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kAudit, message, fields);
}

// Lines below it are dropped. Default: kInfo.
void SetLogLevel(LogLevel level);

// Sends every line (without the newline) to `sink` instead of stderr; an empty one restores stderr.
void SetLogSink(std::function<void(std::string_view line)> sink);

// "postgres://user:***@host/db?...": the password is replaced, in the user part and in parameters.
std::string RedactUri(std::string_view uri);

}  // namespace databuild
