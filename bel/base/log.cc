#include "bel/base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

#include "bel/base/clock.h"

namespace databuild {
namespace {

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
    case LogLevel::kAudit:
      return "audit";
  }
  return "error";
}

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kAudit:
      return spdlog::level::critical;
  }
  return spdlog::level::err;
}

class FunctionSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FunctionSink(std::function<void(std::string_view)> target)
      : target_(std::move(target)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    target_(std::string_view(message.payload.data(), message.payload.size()));
  }
  void flush_() override {}

 private:
  std::function<void(std::string_view)> target_;
};

std::shared_ptr<spdlog::logger> NewLogger(spdlog::sink_ptr sink, spdlog::level::level_enum level) {
  auto logger = std::make_shared<spdlog::logger>("databuild", std::move(sink));
  logger->set_pattern("%v");
  logger->set_level(level);
  logger->flush_on(spdlog::level::debug);
  return logger;
}

struct Root {
  std::mutex mutex;  // guards `logger`, which is replaced as a whole
  std::shared_ptr<spdlog::logger> logger =
      NewLogger(std::make_shared<spdlog::sinks::stderr_sink_mt>(), spdlog::level::info);
};

Root& TheRoot() {
  static Root* root = new Root();  // never destroyed: threads may log while the process ends
  return *root;
}

std::shared_ptr<spdlog::logger> Logger() {
  std::lock_guard lock(TheRoot().mutex);
  return TheRoot().logger;
}

}  // namespace

void Log(LogLevel level, std::string_view message, LogFields fields) {
  const auto logger = Logger();
  if (!logger->should_log(SpdlogLevel(level))) return;
  nlohmann::ordered_json line;
  line["time"] = FormatRfc3339(SystemClock().Now());
  line["level"] = LevelName(level);
  line["msg"] = message;
  for (const LogField& field : fields) {
    std::visit([&](const auto& value) { line[std::string(field.key())] = value; }, field.value());
  }
  const std::string text =
      line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  logger->log(SpdlogLevel(level), spdlog::string_view_t(text.data(), text.size()));
}

void SetLogLevel(LogLevel level) { Logger()->set_level(SpdlogLevel(level)); }

void SetLogSink(std::function<void(std::string_view)> sink) {
  spdlog::sink_ptr target;
  if (sink) {
    target = std::make_shared<FunctionSink>(std::move(sink));
  } else {
    target = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  }
  std::lock_guard lock(TheRoot().mutex);
  TheRoot().logger = NewLogger(std::move(target), TheRoot().logger->level());
}

std::string RedactUri(std::string_view uri) {
  std::string text(uri);
  const size_t scheme = text.find("://");
  if (scheme != std::string::npos) {
    const size_t begin = scheme + 3;
    const size_t end = std::min(text.find_first_of("/?", begin), text.size());
    const size_t at = text.rfind('@', end == 0 ? 0 : end - 1);
    const size_t colon = text.find(':', begin);
    if (at != std::string::npos && at >= begin && colon < at) {
      text.replace(colon + 1, at - colon - 1, "***");
    }
  }
  for (const std::string_view key : {"password=", "sslpassword="}) {
    for (size_t pos = text.find(key); pos != std::string::npos; pos = text.find(key, pos)) {
      pos += key.size();
      text.replace(pos, std::min(text.find_first_of("& ", pos), text.size()) - pos, "***");
    }
  }
  return text;
}

}  // namespace databuild
