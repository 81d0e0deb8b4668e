// EventMatcher against a matcher that tries everything: globs by trying every split of the text,
// ranges by naming every ref.
//
// The input is text, a line per list, words separated by spaces: globs and exact refs of the
// filter, refs of the event, and a range of it as "template from to step".
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "bel/event_matcher.h"
#include "bel/range.h"
#include "bel/ranges/ranges.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

constexpr uint64_t kMostRefs = 300;  // of a range that is tried

using Words = std::vector<std::string>;

Words NextLine(std::istringstream& input) {
  std::string line;
  std::getline(input, line);
  std::istringstream words(line);
  Words all;
  for (std::string word; words >> word;) all.push_back(word);
  return all;
}

// One row of a table at a time: reached[i] says whether the glob so far matches text[0, i).
bool Tried(std::string_view glob, std::string_view text) {
  std::vector<bool> reached(text.size() + 1);
  reached[0] = true;
  for (size_t at = 0; at < glob.size(); ++at) {
    const bool star = glob[at] == '*';
    const bool doubled = star && at + 1 < glob.size() && glob[at + 1] == '*';
    if (doubled) ++at;
    std::vector<bool> next(text.size() + 1);
    for (size_t i = 0; i <= text.size(); ++i) {
      if (!reached[i]) continue;
      if (star) {
        for (size_t end = i;; ++end) {
          next[end] = true;
          if (end == text.size() || (text[end] == '/' && !doubled)) break;
        }
      } else if (i < text.size()) {
        next[i + 1] = next[i + 1] || (glob[at] == '?' ? text[i] != '/' : glob[at] == text[i]);
      }
    }
    reached = next;
  }
  return reached[text.size()];
}

struct Case {
  Words globs, exact, refs, range;

  bool Wants(const std::string& ref) const {
    if (ref.empty()) return false;
    for (const std::string& name : exact) {
      if (name == ref) return true;
    }
    for (const std::string& glob : globs) {
      if (Tried(glob, ref)) return true;
    }
    return false;
  }
};

v1::PartitionRange RangeOf(const Words& words) {
  v1::PartitionRange range;
  range.set_ref(words[0]);
  const size_t open = words[0].find('{');
  const size_t close = words[0].find_first_of(":}", open == std::string::npos ? 0 : open);
  if (open == std::string::npos || close == std::string::npos) return range;
  RangeSpec spec;
  spec.ref = words[0];
  RangeCapture capture;
  capture.name = words[0].substr(open + 1, close - open - 1);
  if (words.size() > 1) capture.from = words[1];
  if (words.size() > 2) capture.to = words[2];
  if (words.size() > 3) capture.step = words[3];
  spec.captures.push_back(capture);
  return ToProto(spec);
}

void Check(const Case& test) {
  v1::EventFilter filter;
  for (const std::string& glob : test.globs) filter.add_partition_patterns(glob);
  for (const std::string& ref : test.exact) filter.add_partition_refs(ref);
  const auto matcher = EventMatcher::Compile(filter);
  if (!matcher.ok()) return;
  v1::BuildEvent event;
  bool expected = matcher->matches_all();
  auto* want = event.mutable_want_event();
  for (const std::string& ref : test.refs) {
    want->add_requested_partitions()->set_str(ref);
    expected = expected || test.Wants(ref);
  }
  if (!test.range.empty()) {
    const v1::PartitionRange proto = RangeOf(test.range);
    const auto range = PartitionRange::Compile(FromProto(proto), proto.ref());
    if (range.ok() && range->size() > kMostRefs) return;
    *want->add_requested_ranges() = proto;
    for (uint64_t i = 0; range.ok() && i < range->size(); ++i) {
      if (!range->Contains(range->At(i))) std::abort();
      expected = expected || test.Wants(range->At(i));
    }
  }
  if (matcher->Matches(event) == expected) return;
  std::fprintf(stderr, "the matcher says %d for %s / %s\n", static_cast<int>(!expected),
               filter.ShortDebugString().c_str(), event.ShortDebugString().c_str());
  std::abort();
}

bool IsText(const uint8_t* data, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    if (data[i] >= 0x7f || (data[i] < ' ' && data[i] != '\n')) return false;
  }
  return true;
}

}  // namespace
}  // namespace databuild

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 512 || !databuild::IsText(data, size)) return 0;
  std::istringstream input(std::string(reinterpret_cast<const char*>(data), size));
  databuild::Case test;
  for (databuild::Words* words : {&test.globs, &test.exact, &test.refs, &test.range}) {
    *words = databuild::NextLine(input);
  }
  databuild::Check(test);
  return 0;
}
