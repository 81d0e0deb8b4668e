// The first generation of the wire format, as recorded in seed_descriptors.txt, exists unchanged.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "databuild/v1/databuild.pb.h"
#include "proto/descriptor_lines.h"

namespace databuild {
namespace {

std::vector<std::string> Recorded() {
  std::ifstream file("proto/seed_descriptors.txt");
  EXPECT_TRUE(file.is_open()) << "proto/seed_descriptors.txt: run from the root of the repository";
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> Actual() { return DescriptorLines(*v1::BuildEvent::descriptor()->file()); }

size_t CountOf(const std::vector<std::string>& lines, const std::string& kind) {
  size_t count = 0;
  for (const std::string& line : lines) count += line.starts_with(kind + " ") ? 1 : 0;
  return count;
}

TEST(Descriptors, EverythingOfTheFirstGenerationExistsUnchanged) {
  const auto recorded = Recorded();
  for (const std::string& line : MissingLines(recorded, Actual())) {
    ADD_FAILURE() << "changed or gone: " << line;
  }
}

TEST(Descriptors, TheRecordedListIsWhole) {
  const auto recorded = Recorded();
  EXPECT_EQ(CountOf(recorded, "message"), 112u);
  EXPECT_EQ(CountOf(recorded, "field"), 366u);
  EXPECT_EQ(CountOf(recorded, "value"), 33u);
  EXPECT_EQ(CountOf(recorded, "service"), 4u);
  EXPECT_EQ(CountOf(recorded, "rpc"), 20u);
}

// Each single change of a recorded line is noticed, whatever part of the line it is in.
TEST(Descriptors, AnyChangedLineIsReported) {
  const auto actual = Actual();
  size_t mutations = 0;
  for (const std::string& line : Recorded()) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::vector<std::string> parts;
    for (std::string word; words >> word;) parts.push_back(word);
    for (size_t changed = 1; changed < parts.size(); ++changed) {
      std::string mutated = parts[0];
      for (size_t i = 1; i < parts.size(); ++i)
        mutated += " " + parts[i] + (i == changed ? "9" : "");
      ASSERT_EQ(MissingLines({mutated}, actual), std::vector<std::string>{mutated});
      ++mutations;
    }
  }
  EXPECT_GT(mutations, 1'000u);
}

// Fields added to a recorded message stay out of the first hundred numbers.
TEST(Descriptors, AdditionsToFirstGenerationMessagesStartAtOneHundred) {
  const auto recorded_lines = Recorded();
  const std::set<std::string> recorded(recorded_lines.begin(), recorded_lines.end());
  for (const std::string& line : Actual()) {
    if (!line.starts_with("field ") || recorded.contains(line)) continue;
    std::istringstream words(line);
    std::string kind, name;
    int number = 0;
    words >> kind >> name >> number;
    const std::string message = name.substr(0, name.rfind('.'));
    if (!recorded.contains("message " + message)) continue;
    EXPECT_GE(number, 100) << line;
  }
}

TEST(Descriptors, EventPayloadsAreTheTenRecordedOnesAndTheTwoAdded) {
  const auto* oneof = v1::BuildEvent::descriptor()->FindOneofByName("event_type");
  ASSERT_NE(oneof, nullptr);
  EXPECT_EQ(oneof->field_count(), 12);
  EXPECT_EQ(oneof->field(10)->number(), 101);
  EXPECT_EQ(oneof->field(11)->number(), 102);
  EXPECT_EQ(v1::BuildEvent::kIdxFieldNumber, 100);
}

}  // namespace
}  // namespace databuild
