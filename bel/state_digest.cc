#include "bel/state_digest.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <cstring>

#include "bel/base/check.h"
#include "bel/base/hash.h"
#include "bel/state_access.h"
#include "bel/state_archive.h"

namespace databuild {
namespace {

constexpr size_t kPiece = 4'096;  // elements encoded at once

template <class List>
void EncodeList(const List& list, const StateRange& range, std::string& out) {
  CHECK(range.from <= range.to && range.to <= list.size());
  StateWriter write(out);
  for (size_t i = range.from; i < range.to; ++i) write(list[i]);
}

}  // namespace

const char* StateSectionName(StateSection section) {
  constexpr const char* kNames[kStateSections] = {
      "partitions", "instances", "units", "runs", "builds", "wants", "taints", "jobs", "globals"};
  return kNames[static_cast<int>(section)];
}

std::string MessageBytes(const google::protobuf::MessageLite& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

size_t StateSize(const BuildState& state, StateSection section) {
  switch (section) {
    case StateSection::kPartitions:
      return state.partitions().size();
    case StateSection::kInstances:
      return state.instances().size();
    case StateSection::kUnits:
      return state.units().size();
    case StateSection::kRuns:
      return state.runs().size();
    case StateSection::kBuilds:
      return state.builds().size();
    case StateSection::kWants:
      return state.wants().size();
    case StateSection::kTaints:
      return state.taints().size();
    case StateSection::kJobs:
      return state.jobs().size();
    case StateSection::kGlobals:
      return 1;
  }
  return 0;
}

void EncodeState(const BuildState& state, const StateRange& range, std::string& out) {
  switch (range.section) {
    case StateSection::kPartitions:
      return EncodeList(state.partitions(), range, out);
    case StateSection::kInstances:
      return EncodeList(state.instances(), range, out);
    case StateSection::kUnits:
      return EncodeList(state.units(), range, out);
    case StateSection::kRuns:
      return EncodeList(state.runs(), range, out);
    case StateSection::kBuilds:
      return EncodeList(state.builds(), range, out);
    case StateSection::kWants:
      return EncodeList(state.wants(), range, out);
    case StateSection::kTaints:
      return EncodeList(state.taints(), range, out);
    case StateSection::kJobs:
      return EncodeList(state.jobs(), range, out);
    case StateSection::kGlobals:
      if (range.from < range.to) StateAccess::EncodeGlobals(state, out);
      return;
  }
}

uint64_t StateDigest(const BuildState& state, const StateRange& range) {
  uint64_t digest = static_cast<uint64_t>(range.section);
  std::string bytes;
  for (size_t from = range.from; from < range.to; from += kPiece) {
    bytes.clear();
    EncodeState(state, {range.section, from, std::min(range.to, from + kPiece)}, bytes);
    digest = HashBytes(bytes, digest);
  }
  return digest;
}

uint64_t StateDigest(const BuildState& state) {
  uint64_t digest = kStateModelVersion;
  for (int i = 0; i < kStateSections; ++i) {
    const auto section = static_cast<StateSection>(i);
    const uint64_t part = StateDigest(state, {section, 0, StateSize(state, section)});
    digest = HashWords(digest, part, 0);
  }
  return digest;
}

std::string FormatDigest(uint64_t digest) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text(16, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, digest >>= 4) {
    *digit = kHex[digest & 15];
  }
  return text;
}

}  // namespace databuild
