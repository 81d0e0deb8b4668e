#include "bel/state_digest.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <cstring>

#include "bel/base/check.h"
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

// One step of a multiply-and-fold hash (as in wyhash): 128 bits of product, folded to 64.
uint64_t Fold(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

constexpr uint64_t kPrime1 = 0x9e3779b97f4a7c15, kPrime2 = 0xc2b2ae3d27d4eb4f;

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

uint64_t HashBytes(std::string_view bytes, uint64_t seed) {
  uint64_t hash = Fold(seed ^ kPrime1, bytes.size() ^ kPrime2);
  while (!bytes.empty()) {
    uint64_t words[2] = {};
    const size_t take = std::min(bytes.size(), sizeof words);
    std::memcpy(words, bytes.data(), take);
    hash = Fold(words[0] ^ hash ^ kPrime1, words[1] ^ kPrime2 ^ (hash << 32 | hash >> 32));
    bytes.remove_prefix(take);
  }
  return hash;
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
    digest = Fold(digest ^ kPrime1, part ^ kPrime2) + part;
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
