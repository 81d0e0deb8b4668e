#include "controller/api/gzip.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <random>

#include "controller/api/api_service_testing.h"

namespace databuild {
namespace {

std::string Gunzip(const std::string& bytes) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string out(4 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

TEST(Gzip, GivesBackEveryByte) {
  std::mt19937 random(7);
  for (const size_t size : {0u, 1u, 1'000u, 300'000u}) {
    std::string noise(size, '\0'), plain(size, 'x');
    for (char& c : noise) c = static_cast<char>(random());
    for (const std::string& text : {noise, plain}) {
      const auto packed = Gzip(text);
      ASSERT_TRUE(packed.has_value());
      EXPECT_EQ(Gunzip(*packed), text);
    }
  }
}

TEST(Gzip, IsSentToThoseWhoAskForIt) {
  for (const char* yes : {"gzip", "GZIP", "br, gzip;q=0.5", "*", "deflate , gzip ; q=1.0"})
    EXPECT_TRUE(AcceptsGzip(yes)) << yes;
  for (const char* no : {"", "identity", "gzip;q=0", "gzip; q=0.000, *", "*;q=0", "gzipped", "br"})
    EXPECT_FALSE(AcceptsGzip(no)) << no;
}

TEST_F(ApiServiceTest, LargeAnswersAreCompressedForThoseWhoAsk) {
  std::vector<v1::BuildEvent> events;
  for (int i = 0; i < 40; ++i)
    events.push_back(WantCreated("w" + std::to_string(i), "a/" + std::to_string(i)));
  ASSERT_TRUE(log().Append(std::move(events)).ok());
  const std::string plain = Rest("wants").body;
  const TestResponse packed =
      Get("/api/v1/graphs/sales/wants", "Authorization: alice\r\nAccept-Encoding: gzip\r\n");
  EXPECT_NE(packed.head.find("Content-Encoding: gzip"), std::string::npos) << packed.head;
  EXPECT_NE(packed.head.find("Vary: Accept-Encoding"), std::string::npos) << packed.head;
  EXPECT_LT(packed.body.size() * 3, plain.size());
  EXPECT_EQ(Json::parse(Gunzip(packed.body)), Json::parse(plain));
  const TestResponse small =
      Get("/api/v1/graphs/sales/taints", "Authorization: alice\r\nAccept-Encoding: gzip\r\n");
  EXPECT_EQ(small.head.find("Content-Encoding"), std::string::npos);
}

}  // namespace
}  // namespace databuild
