#include "controller/kube/frame_splitter.h"

#include <gtest/gtest.h>

#include <vector>

namespace databuild::kube {
namespace {

std::vector<std::string> Drain(FrameSplitter& splitter) {
  std::vector<std::string> frames;
  for (;;) {
    auto frame = splitter.Next();
    EXPECT_TRUE(frame.ok());
    if (!frame.ok() || !frame->has_value()) return frames;
    frames.emplace_back(**frame);
  }
}

const std::string kStream =
    "{\"type\":\"ADDED\",\"object\":{\"a\":\"br}ace \\\" quote \\\\\"}}\n"
    "{\"type\":\"BOOKMARK\",\"object\":{\"list\":[{},[1,2]]}}"
    "\r\n {\"type\":\"DELETED\"}\n";
const std::vector<std::string> kFrames = {
    "{\"type\":\"ADDED\",\"object\":{\"a\":\"br}ace \\\" quote \\\\\"}}",
    "{\"type\":\"BOOKMARK\",\"object\":{\"list\":[{},[1,2]]}}", "{\"type\":\"DELETED\"}"};

TEST(FrameSplitter, FramesAreTheSameWhereverTheStreamIsCut) {
  for (size_t cut = 0; cut <= kStream.size(); ++cut) {
    FrameSplitter splitter;
    splitter.Append(std::string_view(kStream).substr(0, cut));
    std::vector<std::string> frames = Drain(splitter);
    splitter.Append(std::string_view(kStream).substr(cut));
    for (std::string& frame : Drain(splitter)) frames.push_back(std::move(frame));
    EXPECT_EQ(frames, kFrames) << "cut at " << cut;
  }
}

TEST(FrameSplitter, FramesAreTheSameByteByByte) {
  FrameSplitter splitter;
  std::vector<std::string> frames;
  for (char c : kStream) {
    splitter.Append(std::string_view(&c, 1));
    for (std::string& frame : Drain(splitter)) frames.push_back(std::move(frame));
  }
  EXPECT_EQ(frames, kFrames);
}

TEST(FrameSplitter, AFrameOfOneMebibyteIsRead) {
  std::string frame = "{\"x\":\"" + std::string(1024 * 1024, 'a') + "\"}";
  FrameSplitter splitter;
  for (size_t at = 0; at < frame.size(); at += 1000) {
    splitter.Append(std::string_view(frame).substr(at, 1000));
    if (at + 1000 < frame.size()) {
      EXPECT_TRUE(Drain(splitter).empty());
    }
  }
  EXPECT_EQ(Drain(splitter), std::vector<std::string>{frame});
}

TEST(FrameSplitter, AnObjectOverTheLimitIsAnError) {
  FrameSplitter splitter(100);
  splitter.Append("{\"x\":\"" + std::string(200, 'a'));
  auto frame = splitter.Next();
  ASSERT_FALSE(frame.ok());
  EXPECT_EQ(frame.error().code, Errc::kTooLarge);
}

TEST(FrameSplitter, WhatIsNoObjectIsAnError) {
  for (const char* bytes : {"null", "]", "<html>", "\"text\""}) {
    FrameSplitter splitter;
    splitter.Append(bytes);
    EXPECT_FALSE(splitter.Next().ok()) << bytes;
  }
}

TEST(FrameSplitter, MemoryDoesNotGrowWithTheStream) {
  FrameSplitter splitter(1000);
  for (int i = 0; i < 10'000; ++i) {
    splitter.Append("{\"n\":" + std::to_string(i) + "}\n");
    ASSERT_EQ(Drain(splitter).size(), 1u);
  }
}

}  // namespace
}  // namespace databuild::kube
