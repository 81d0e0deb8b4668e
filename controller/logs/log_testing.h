// Lines and receipts as databuild-exec writes them, for tests of the collector.
#pragma once

#include <string>

#include "wrapper/digest.h"

namespace databuild {

inline constexpr char kTestRun[] = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

// Line `sequence`, without its newline, written at that second.
inline std::string TestLine(int64_t sequence, const std::string& run = kTestRun) {
  const std::string number = std::to_string(sequence);
  return R"({"timestamp":")" + (sequence < 1'000'000'000 ? number : "1") +
         R"(000000000","jobId":")" + run + R"(","sequenceNumber":")" + number +
         R"(","log":{"level":"INFO","message":"line )" + number + R"("}})";
}

// What a run leaves that wrote lines 1 to `last`.
inline std::string TestReceipt(int64_t last, const std::string& run = kTestRun) {
  exec::StreamDigest digest;
  for (int64_t line = 1; line <= last; ++line) digest.Update(TestLine(line, run) + "\n");
  return R"({"v":1,"class":"Succeeded","exitStatus":0,"lastSequence":")" + std::to_string(last) +
         R"(","digest":{"crc32c":")" + digest.Crc32cHex() + R"(","sha256":")" + digest.Sha256Hex() +
         R"("}})";
}

}  // namespace databuild
