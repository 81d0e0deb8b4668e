#include "bel/stdout_storage.h"

#include <google/protobuf/util/json_util.h>

#include "bel/base/log.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

// A graph is a Kubernetes namespace: it needs no escaping.
Result<std::string> LineOf(const AppendBatch& batch, const StoredEvent& stored) {
  v1::BuildEvent event;
  std::string json;
  if (!event.ParseFromString(stored.payload) ||
      !google::protobuf::util::MessageToJsonString(event, &json).ok()) {
    return Error{Errc::kInvalidArgument, "append to log of graph " + batch.graph + ": idx " +
                                             std::to_string(stored.idx) +
                                             " is not an encoded BuildEvent"};
  }
  return "{\"graph\":\"" + batch.graph + "\",\"idx\":" + std::to_string(stored.idx) +
         ",\"epoch\":" + std::to_string(batch.epoch) + ",\"event\":" + json + "}\n";
}

Result<std::string> LinesOf(const AppendBatch& batch) {
  std::string lines;
  for (const auto& piece : batch.events) {
    for (const StoredEvent& event : piece) {
      ASSIGN_OR_RETURN(const std::string line, LineOf(batch, event));
      lines += line;
    }
  }
  return lines;
}

}  // namespace

Status StdoutStorage::Initialize() {
  LogWarn("the build event log goes to standard output and to memory: nothing survives a restart",
          {{"bel", "stdout"}});
  return memory_.Initialize();
}

std::vector<Result<int64_t>> StdoutStorage::AppendAll(std::span<const AppendBatch> batches) {
  std::vector<std::string> lines;
  for (const AppendBatch& batch : batches) {
    auto of_batch = LinesOf(batch);
    if (!of_batch.ok()) return std::vector<Result<int64_t>>(batches.size(), of_batch.error());
    lines.push_back(std::move(of_batch.value()));
  }
  std::lock_guard lock(stream_mutex_);
  auto results = memory_.AppendAll(batches);
  std::string text;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].ok()) text += lines[i];
  }
  if (Status written = WriteOut(text); !written.ok()) {
    return std::vector<Result<int64_t>>(batches.size(), written.error());
  }
  return results;
}

Result<int64_t> StdoutStorage::Import(const AppendBatch& batch) {
  ASSIGN_OR_RETURN(const std::string lines, LinesOf(batch));
  std::lock_guard lock(stream_mutex_);
  ASSIGN_OR_RETURN(const int64_t head, memory_.Import(batch));
  RETURN_IF_ERROR(WriteOut(lines));
  return head;
}

// Requires stream_mutex_.
Status StdoutStorage::WriteOut(const std::string& lines) {
  if (std::fwrite(lines.data(), 1, lines.size(), stream_) == lines.size() &&
      std::fflush(stream_) == 0) {
    return {};
  }
  return Error{Errc::kUnavailable,
               "could not write events to standard output; is its reader gone?"};
}

}  // namespace databuild
