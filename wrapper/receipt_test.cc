#include "wrapper/receipt.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "wrapper/protocol.h"

namespace databuild::exec {
namespace {

using nlohmann::json;

Receipt Full() {
  Receipt receipt;
  receipt.outcome = kClassMissingDependencies;
  receipt.reason = kReasonExitCode;
  receipt.message = "the \"message\"";
  receipt.exit_status = 75;
  receipt.exit_code = 75;
  receipt.signal = 9;
  receipt.start = 1'700'000'000'000'000'001;
  receipt.end = 1'700'000'001'000'000'000;
  receipt.last_sequence = 1234567;
  receipt.crc32c = "0123abcd";
  receipt.sha256 = std::string(64, 'f');
  receipt.bytes = 9'000'000;
  receipt.dropped = {.lines = 5, .bytes = 500, .rate_lines = 2};
  receipt.undelivered = 3;
  receipt.output_error = "Broken pipe";
  receipt.cpu_seconds = 1.5;
  receipt.memory_peak_bytes = 1 << 20;
  receipt.manifest_parts = 1;
  receipt.manifest = R"({"outputs":[{"str":"a"}]})";
  receipt.missing = {"m/1", "m/2"};
  return receipt;
}

TEST(Receipt, SaysEverythingWhenThereIsRoom) {
  EXPECT_EQ(json::parse(RenderReceipt(Full(), kReceiptBytesMax)), json::parse(R"({"v":1,
    "class":"MissingDependencies","reason":"ExitCode","message":"the \"message\"","exitStatus":75,
    "exitCode":75,"signal":9,"startTime":"1700000000000000001","endTime":"1700000001000000000",
    "lastSequence":1234567,"digest":{"crc32c":"0123abcd","sha256":")" + std::string(64, 'f') +
                                                                              R"(",
    "bytes":9000000},"missingCount":2,"missing":["m/1","m/2"],"manifestParts":1,
    "dropped":{"lines":5,"bytes":500,"rateLines":2},"undelivered":3,"outputError":"Broken pipe",
    "counts":{"stdoutLines":0,"stderrLines":0,"debug":0,"info":0,"warn":0,"error":0,"metric":0,
    "event":0,"manifest":0},"usage":{"cpuSeconds":1.500,"memoryPeakBytes":1048576},
    "manifest":{"outputs":[{"str":"a"}]}})"));
}

TEST(Receipt, NeverExceedsItsLimitAndIsAlwaysJson) {
  Receipt receipt = Full();
  receipt.message = std::string(5000, '\x01');
  receipt.output_error = std::string(500, '"');
  receipt.missing.assign(300, std::string(500, 'm'));
  receipt.manifest = "{\"metadata\":{\"x\":\"" + std::string(2500, 'x') + "\"}}";
  receipt.last_sequence = UINT64_MAX;
  receipt.dropped = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
  for (size_t limit = 0; limit < 6000; limit += 7) {
    const std::string text = RenderReceipt(receipt, limit);
    EXPECT_LE(text.size(), std::max(limit, kReceiptBytesMin));
    const json parsed = json::parse(text, nullptr, false);
    ASSERT_FALSE(parsed.is_discarded()) << text;
    EXPECT_EQ(parsed["class"], "MissingDependencies");
    EXPECT_EQ(parsed["exitStatus"], 75);
    EXPECT_EQ(parsed["digest"]["crc32c"], "0123abcd");
  }
}

TEST(Receipt, ListsThatDoNotFitAreCounted) {
  Receipt receipt = Full();
  receipt.missing.assign(300, std::string(500, 'm'));
  const json parsed = json::parse(RenderReceipt(receipt, kReceiptBytesMax));
  EXPECT_EQ(parsed["missingCount"], 300);
  EXPECT_EQ(parsed["missingTruncated"], true);
  EXPECT_FALSE(parsed.contains("missing"));
  EXPECT_TRUE(parsed.contains("manifest")) << "smaller members still fit";
}

TEST(Receipt, SurvivesAMessageThatIsNotUtf8) {
  Receipt receipt = Full();
  receipt.message = "caf\xe9 \xff";
  EXPECT_EQ(json::parse(RenderReceipt(receipt, 4096))["message"], "caf\xef\xbf\xbd \xef\xbf\xbd");
}

TEST(Receipt, APathThatCannotBeWrittenIsAnError) {
  EXPECT_FALSE(WriteReceipt("/proc/none/receipt", "{}").ok());
  EXPECT_FALSE(WriteReceipt("/dev/full", "{}").ok());
}

}  // namespace
}  // namespace databuild::exec
