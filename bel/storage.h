// Storage: where a log's bytes live. One interface, several backends by URI (open_storage.h).
//
// A graph's log is a dense sequence of events, idx 1, 2, 3, ... Only the holder of the newest epoch
// may append, and only at the head it expects: an append that was fenced or raced changes nothing.
// Epochs start at 1.
//
// Thread-safe. Calls block, each for a bounded time (StorageTimeouts); Append is meant for one
// thread at a time. Errors: kConflict (the head moved), kFenced (the epoch moved), kUnavailable
// (outcome unknown: the caller re-acquires and compares heads, never guesses), kCorrupt (stored
// bytes do not match their checksum or are not contiguous), kOutOfRange (below the floor),
// kTooLarge, kNotFound, kPermissionDenied (another cluster's log).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/clock.h"
#include "bel/base/result.h"

namespace databuild {

inline constexpr int32_t kSchemaVersion = 1;          // of the events this release writes
inline constexpr size_t kMaxEventBytes = 1 << 20;     // encoded
inline constexpr size_t kMaxAppendBytes = 64 << 20;   // of one atomic batch
inline constexpr int64_t kMaxAppendEvents = 65'536;   // of one atomic batch
inline constexpr size_t kMaxImportBytes = 256 << 20;  // of one Import
inline constexpr int64_t kMaxImportEvents = 1 << 20;  // of one Import
inline constexpr size_t kBaseChunkBytes = 1 << 20;

struct StorageTimeouts {
  DurationNs connect = 5 * kSecond;
  DurationNs statement = 10 * kSecond;  // any single call; also how long a server may stay silent
};

// One row of the log. `payload` is the encoded databuild.v1.BuildEvent, idx and timestamp included;
// the other fields are copies that a scan needs without decoding it.
struct StoredEvent {
  int64_t idx = 0;
  TimeNs ts = 0;
  int64_t epoch = 0;  // of the writer; filled by Append
  int32_t schema_version = kSchemaVersion;
  int32_t type = 0;      // number of the payload's field in BuildEvent.event_type
  std::string event_id;  // UUID
  uint32_t crc32c = 0;   // of payload
  std::string payload;

  friend bool operator==(const StoredEvent&, const StoredEvent&) = default;
};

struct AcquireRequest {
  std::string graph;
  std::string holder;       // who writes from now on; unique per process start
  std::string cluster_uid;  // a log belongs to one cluster
  // Only if `holder` is still the holder: a new epoch after a lost reply, kFenced if another took
  // over.
  bool only_if_holder = false;
};

struct Acquired {
  std::string log_id;  // UUID, new with every new or restored log
  int64_t epoch = 0;
  int64_t head = 0;  // idx of the newest event, 0: none
  TimeNs last_ts = 0;
  int64_t floor = 0;   // events up to here are gone
  int64_t sealed = 0;  // events up to here are in segments; at least floor
};

// What is known of a graph's log without reading events.
struct GraphHead {
  std::string graph;
  std::string cluster_uid;
  std::string holder;
  Acquired at;
};

// One graph's share of a transaction: events idx = expected_head + 1, + 2, ...
struct AppendBatch {
  std::string graph;
  int64_t epoch = 0;
  int64_t expected_head = 0;
  std::vector<std::span<const StoredEvent>>
      events;  // in order; pieces need not be adjacent in memory
};

// Contiguous events, ascending; `at` is from the same view.
struct StoredPage {
  std::vector<StoredEvent> events;
  Acquired at;
};

struct ListRange {
  int64_t since_idx = 0;  // exclusive
  int64_t limit = 1'000;
  int64_t byte_limit = 1 << 20;  // of payloads; the first event comes whatever its size
};

// A sealed range of old events; segment.h packs and unpacks it.
struct Segment {
  int64_t first_idx = 0;
  int64_t last_idx = 0;
  TimeNs last_ts = 0;
  std::string codec;
  uint32_t crc32c = 0;        // of bytes
  std::string events_sha256;  // of the events before compression, 32 bytes
  std::string bytes;
};

struct SegmentInfo {
  int64_t first_idx = 0;
  int64_t last_idx = 0;
  TimeNs last_ts = 0;
  int64_t bytes = 0;  // stored
};

// A fold of the events 1 to idx (state_stream.h), kept in chunks: what a floor rests on.
struct BaseInfo {
  int64_t idx = 0;
  int32_t model_version = 0;  // kStateModelVersion of the release that wrote it
  int32_t chunks = 0;
  int64_t bytes = 0;    // of all chunks
  uint32_t crc32c = 0;  // of all of them, one after the other

  friend bool operator==(const BaseInfo&, const BaseInfo&) = default;
};

// Bytes number * kBaseChunkBytes and on; the last one may be shorter.
struct BaseChunk {
  int64_t idx = 0;  // of the base
  int32_t number = 0;
  std::string_view bytes;
};

// An append on its way. Must not outlive its storage.
class AppendInFlight {
 public:
  virtual ~AppendInFlight() = default;
  // Blocks until the outcome is known: one result per batch. Called once.
  virtual std::vector<Result<int64_t>> Wait() = 0;
};

class Storage {
 public:
  virtual ~Storage() = default;

  // Creates or migrates. Idempotent; safe when two processes start at once.
  virtual Status Initialize() = 0;

  // Makes the caller the only writer of the graph's log and fences the one before.
  virtual Result<Acquired> Acquire(const AcquireRequest& request) = 0;

  // One transaction for batches of several graphs, each fenced by its own head: a batch that fails
  // by kConflict or kFenced does not touch the others; any other error is that of all. One result,
  // the new head, per batch.
  virtual std::vector<Result<int64_t>> AppendAll(std::span<const AppendBatch> batches) = 0;

  // Events after range.since_idx, out of rows and segments alike. Every checksum is verified and
  // the events are contiguous. since_idx at or beyond the head gives an empty page.
  virtual Result<StoredPage> List(const std::string& graph, const ListRange& range) = 0;

  virtual Result<GraphHead> Head(const std::string& graph) = 0;
  virtual Result<std::vector<GraphHead>> Graphs() = 0;  // ascending by name

  // ---- Old events: sealed, compared, and only then taken out of the rows. log_keeper.h does it.
  // Each call is atomic and fenced by `epoch` like an append; kUnsupported by default.

  // Adds the segment that follows the sealed range and makes it part of that range. The storage
  // compares it with its rows: kCorrupt when they differ, kConflict when another segment is next.
  virtual Status PutSegment(const std::string& graph, int64_t epoch, const Segment& segment);
  // Removes the rows of the oldest segment that still has some, after comparing once more. Gives
  // how many went; 0: there are none left.
  virtual Result<int64_t> DropSealedRows(const std::string& graph, int64_t epoch);
  // Gives up all events up to `floor`, which must be sealed and in a base (kInvalidArgument). Never
  // goes back.
  virtual Status RaiseFloor(const std::string& graph, int64_t epoch, int64_t floor);
  // Oldest first.
  virtual Result<std::vector<SegmentInfo>> Segments(const std::string& graph);

  // ---- Bases. log_base.h writes and reads them. Fenced and kUnsupported likewise.

  // A piece of a base that is being written; readable at once, so that all of it can be read back.
  virtual Status PutBaseChunk(const std::string& graph, int64_t epoch, const BaseChunk& chunk);
  virtual Result<std::string> ReadBaseChunk(const std::string& graph, int64_t idx, int32_t number);
  // From now on it is one of Bases. kCorrupt or kInvalidArgument: its chunks are not all there, or
  // it lies beyond the head (of a log that has events).
  virtual Status FinishBase(const std::string& graph, int64_t epoch, const BaseInfo& base);
  // Removes bases before `idx` and chunks of unfinished ones. kInvalidArgument, and nothing
  // changes: the floor would rest on none.
  virtual Status DropBases(const std::string& graph, int64_t epoch, int64_t idx);
  // Newest first.
  virtual Result<std::vector<BaseInfo>> Bases(const std::string& graph);
  // A log without events begins after `floor`, which must be in a base (kInvalidArgument): the log
  // of a dump. kAlreadyExists: it has events.
  virtual Status BeginAt(const std::string& graph, int64_t epoch, int64_t floor);

  // "postgres", "sqlite", ...: for messages and metrics.
  virtual const char* name() const = 0;

  // AppendAll in two steps: up to max_in_flight() may be on their way, begun by one thread at a
  // time and answered in the same order. The second expects the heads that the first will leave;
  // where the first fails, the second fails by kConflict. `batches` and their events stay until
  // Wait returns. By default all is done when this returns.
  virtual std::unique_ptr<AppendInFlight> BeginAppend(std::span<const AppendBatch> batches);
  virtual int max_in_flight() const { return 1; }

  // Bulk load: like Append for one graph, fenced and atomic, but up to kMaxImportEvents and
  // kMaxImportBytes in one transaction. 10,000 to 100,000 events a call are fastest. The epoch of
  // what is stored is the writer's.
  virtual Result<int64_t> Import(const AppendBatch& batch) = 0;

  // All or nothing, for one graph.
  Result<int64_t> Append(const std::string& graph, int64_t epoch, int64_t expected_head,
                         std::span<const StoredEvent> events);
};

// ---- Shared by the backends.

// Already over: `error` for every batch.
std::unique_ptr<AppendInFlight> AnsweredAppend(std::span<const AppendBatch> batches,
                                               const Error& error);

// Non-empty, dense from expected_head + 1, ts ascending, ids are UUIDs, sizes within bounds.
Status CheckBatch(const AppendBatch& batch);
Status CheckImport(const AppendBatch& batch);
int64_t CountEvents(const AppendBatch& batch);
TimeNs NewestTs(const AppendBatch& batch);

// kCorrupt, naming graph and idx, when an event of the page does not match its checksum or is out
// of line.
Status VerifyPage(const std::string& graph, const ListRange& range, const StoredPage& page);

Error NoSuchGraph(const std::string& graph);
Error BelowFloor(const std::string& graph, int64_t since_idx, int64_t floor);
Error FencedError(const std::string& graph, int64_t epoch, const GraphHead& now);
Error ConflictError(const std::string& graph, int64_t expected_head, const GraphHead& now);
// Which of the two it was.
Error RefusedAppend(const AppendBatch& batch, const GraphHead& now);
Error RefusedSegment(const std::string& graph, int64_t epoch, const Segment& segment,
                     const GraphHead& now);
Error FloorNotSealed(const std::string& graph, int64_t floor, int64_t sealed);
Error FloorWithoutBase(const std::string& graph, int64_t floor);
Error LastBase(const std::string& graph, int64_t idx, int64_t floor);
Error NoSuchBase(const std::string& graph, int64_t idx);
Error NotEmpty(const std::string& graph, int64_t head);
Error BadBase(const std::string& graph, const BaseInfo& base, const std::string& what);
// What keeps a floor, a set of bases or a base from being what is asked for; both backends look
// before they let the tables' triggers speak.
Status CheckFloor(const std::string& graph, int64_t floor, const std::vector<BaseInfo>& bases);
Status CheckDropBases(const GraphHead& head, int64_t idx, const std::vector<BaseInfo>& bases);
Error OtherCluster(const std::string& graph, const std::string& cluster_uid);
Error LostHold(const AcquireRequest& request);

}  // namespace databuild
