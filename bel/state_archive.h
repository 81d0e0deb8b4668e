// Private to the fold: every field of every entity, named once, for digests and snapshots.
//
// An archive is called with the fields of an entity in a fixed order. StateWriter appends their
// encoding to a text: unsigned numbers as varints, signed ones zigzag first, uint32 plus one (so
// that kNone takes one byte), texts and lists with their length in front. StateReader reads it
// back. A change of fields or order is a change of kStateModelVersion.
#pragma once

#include <absl/container/btree_map.h>

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "bel/entities.h"

namespace databuild {

template <class Archive, class T>
concept HasFields = requires(Archive& archive, T& value) {
  Fields(archive, value);
};

template <class Archive>
void Fields(Archive& archive, CauseInfo& cause) {
  archive(cause.ref, cause.run_id, cause.label, cause.reason, cause.message);
}

template <class Archive>
void Fields(Archive& archive, Partition::Extra& extra) {
  archive(extra.delegators, extra.blocked, extra.invalidations, extra.last_invalidated);
}

template <class Archive>
void Fields(Archive& archive, Partition& partition) {
  archive(partition.ref, partition.newest, partition.current, partition.instances,
          partition.last_updated, partition.wants, partition.waiters, partition.extra);
}

template <class Archive>
void Fields(Archive& archive, Instance::Extra& extra) {
  archive(extra.taints, extra.failed_runs, extra.lost_runs, extra.last_failure_at, extra.external,
          extra.withdrawn, extra.cause);
}

template <class Archive>
void Fields(Archive& archive, Instance& instance) {
  archive(instance.id, instance.partition, instance.previous, instance.ordinal, instance.status,
          instance.build, instance.unit, instance.run, instance.runs, instance.requested_at,
          instance.updated_at, instance.available_idx, instance.extra);
}

template <class Archive>
void Fields(Archive& archive, Unit& unit) {
  archive(unit.job, unit.generation, unit.build, unit.partitions, unit.instances, unit.inputs);
}

template <class Archive>
void Fields(Archive& archive, Run::Extra& extra) {
  archive(extra.missing, extra.cancel_requested, extra.reason, extra.message);
}

template <class Archive>
void Fields(Archive& archive, Run& run) {
  archive(run.id, run.job, run.build, run.status, run.outcome, run.kind, run.generation,
          run.attempt, run.partitions, run.instances, run.inputs, run.scheduled_idx,
          run.scheduled_at, run.started_at, run.ended_at, run.exit_code, run.job_name, run.last_idx,
          run.extra);
}

template <class Archive>
void Fields(Archive& archive, Unproducible& missing) {
  archive(missing.partition, missing.external);
}

template <class Archive>
void Fields(Archive& archive, Build& build) {
  archive(build.id, build.want, build.ordinal, build.status, build.units, build.open_instances,
          build.requested, build.delegations, build.unproducible, build.plan_number,
          build.open_plan, build.open_part, build.cancel_requested, build.cancel_reason,
          build.cause, build.reason, build.message);
  archive(build.runs_total, build.runs_completed, build.runs_failed, build.runs_cancelled,
          build.runs_skipped, build.received_idx, build.planned_idx, build.received_at,
          build.started_at, build.ended_at, build.last_idx);
}

template <class Archive>
void Fields(Archive& archive, Want& want) {
  archive(want.id, want.name, want.status, want.partitions, want.unavailable, want.created_at,
          want.data_timestamp, want.ttl, want.sla, want.delete_after, want.priority, want.suspend,
          want.source, want.source_name, want.comment, want.correlation_id, want.retry_token,
          want.generation);
  archive(want.sla_violated, want.first_satisfied_at, want.ended_at, want.builds, want.blocked_on,
          want.ranges, want.created_idx, want.retry_idx, want.taint_idx, want.last_idx);
}

template <class Archive>
void Fields(Archive& archive, Taint& taint) {
  archive(taint.id, taint.name, taint.status, taint.partitions, taint.globs, taint.cascade,
          taint.instances, taint.downstream, taint.runs, taint.source, taint.source_name,
          taint.comment, taint.created_at, taint.ended_at, taint.created_idx, taint.last_idx);
}

template <class Archive>
void Fields(Archive& archive, Job& job) {
  archive(job.label, job.definition, job.defined, job.active_runs, job.runs_completed,
          job.runs_failed, job.runs_cancelled, job.runs_skipped, job.partitions_made, job.last_run,
          job.configs, job.last_configure, job.accepted_idx, job.retry_idx, job.last_idx);
}

// Of bit fields.
template <class T>
inline constexpr bool kPacked = std::is_same_v<T, UnitInput> || std::is_same_v<T, Delegation>;

// The same message always gives the same bytes, maps included.
std::string MessageBytes(const google::protobuf::MessageLite& message);

class StateWriter {
 public:
  explicit StateWriter(std::string& out) : out_(out) {}

  template <class... Ts>
  void operator()(const Ts&... values) {
    (Put(values), ...);
  }

 private:
  void Varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<char>(value | 0x80));
    out_.push_back(static_cast<char>(value));
  }

  template <class T>
  void Put(const T& value) {
    if constexpr (std::is_same_v<T, uint32_t>) {
      Varint(static_cast<uint32_t>(value + 1));
    } else if constexpr (kPacked<T>) {
      Put(std::bit_cast<uint32_t>(value));
    } else if constexpr (std::is_enum_v<T>) {
      Put(static_cast<int64_t>(value));
    } else if constexpr (std::signed_integral<T>) {
      const auto wide = static_cast<int64_t>(value);
      Varint(static_cast<uint64_t>(wide) << 1 ^ static_cast<uint64_t>(wide >> 63));
    } else if constexpr (std::unsigned_integral<T>) {
      Varint(value);
    } else if constexpr (std::is_base_of_v<google::protobuf::MessageLite, T>) {
      Put(MessageBytes(value));
    } else {
      // The archive's fields are never changed by a writer.
      Fields(*this, const_cast<T&>(value));
    }
  }
  void Put(std::string_view text) {
    Varint(text.size());
    out_.append(text);
  }
  void Put(const std::string& text) { Put(std::string_view(text)); }
  void Put(const CompactText& text) { Put(text.view()); }
  // A UUID as its 16 bytes, after a mark that is no length of theirs.
  void Put(const EntityId& id) {
    Put(id.is_uuid());
    if (!id.is_uuid()) return Put(id.str());
    out_.append(reinterpret_cast<const char*>(id.uuid().data()), id.uuid().size());
  }
  template <class T>
  void Put(const Rare<T>& value) {
    Put(value.present());
    if (value.present()) Put(*value);
  }
  template <class T>
  void Put(const SmallList<T>& list) {
    Varint(list.size());
    for (const T& value : list) Put(value);
  }
  template <class T>
  void Put(const std::optional<T>& value) {
    Put(value.has_value());
    if (value) Put(*value);
  }
  template <class T>
  void Put(const std::vector<T>& list) {
    Varint(list.size());
    for (const T& value : list) Put(value);
  }
  template <class T>
  void Put(const absl::btree_map<Index, T>& map) {
    Varint(map.size());
    for (const auto& [key, value] : map) {
      Put(key);
      Put(value);
    }
  }

  std::string& out_;
};

// Never reads beyond its text; ok() is false from the first byte on that does not fit.
class StateReader {
 public:
  explicit StateReader(std::string_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return ok_; }
  bool AtEnd() const { return at_ == end_; }

  template <class... Ts>
  void operator()(Ts&... values) {
    (Get(values), ...);
  }

 private:
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) break;
      const auto byte = static_cast<uint8_t>(*at_++);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }

  // Number of things that take at least a byte each.
  size_t Count() {
    const uint64_t count = Varint();
    if (count <= static_cast<uint64_t>(end_ - at_)) return count;
    ok_ = false;
    return 0;
  }

  std::string_view Text() {
    const size_t size = Count();
    const std::string_view text(at_, size);
    at_ += size;
    return text;
  }

  template <class T>
  void Get(T& value) {
    if constexpr (std::is_same_v<T, uint32_t>) {
      value = static_cast<uint32_t>(Varint()) - 1;
    } else if constexpr (kPacked<T>) {
      value = std::bit_cast<T>(static_cast<uint32_t>(Varint()) - 1);
    } else if constexpr (std::is_enum_v<T>) {
      int64_t number = 0;
      Get(number);
      value = static_cast<T>(number);
    } else if constexpr (std::signed_integral<T>) {
      const uint64_t zigzag = Varint();
      value = static_cast<T>(static_cast<int64_t>(zigzag >> 1) ^ -static_cast<int64_t>(zigzag & 1));
    } else if constexpr (std::unsigned_integral<T>) {
      value = static_cast<T>(Varint());
    } else if constexpr (std::is_base_of_v<google::protobuf::MessageLite, T>) {
      const std::string_view text = Text();
      if (!value.ParseFromArray(text.data(), static_cast<int>(text.size()))) ok_ = false;
    } else {
      Fields(*this, value);
    }
  }
  void Get(std::string& text) { text = Text(); }
  void Get(CompactText& text) { text = Text(); }
  void Get(EntityId& id) {
    bool is_uuid = false;
    Get(is_uuid);
    UuidBytes uuid{};
    if (!is_uuid) {
      id = EntityId(Text());
    } else if (static_cast<size_t>(end_ - at_) >= uuid.size()) {
      std::memcpy(uuid.data(), at_, uuid.size());
      at_ += uuid.size();
      id = EntityId(uuid);
      ok_ = ok_ && id.is_uuid();
    } else {
      ok_ = false;
    }
  }
  template <class T>
  void Get(Rare<T>& value) {
    bool present = false;
    Get(present);
    if (present) Get(value.Edit());
  }
  template <class T>
  void Get(SmallList<T>& list) {
    list.resize(Count());
    for (T& value : list) Get(value);
  }
  template <class T>
  void Get(std::optional<T>& value) {
    bool present = false;
    Get(present);
    if (present) Get(value.emplace());
  }
  template <class T>
  void Get(std::vector<T>& list) {
    list.resize(Count());
    for (T& value : list) Get(value);
  }
  template <class T>
  void Get(absl::btree_map<Index, T>& map) {
    const size_t count = Count();
    for (size_t i = 0; i < count && ok_; ++i) {
      Index key = kNone;
      Get(key);
      Get(map[key]);
    }
  }

  const char* at_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace databuild
