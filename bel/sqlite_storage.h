// Storage in one SQLite file (sqlite_log_chunks.h has another): the default of a single replica.
//
// WAL with synchronous=FULL: an acknowledged append survives a power cut. A lock on `<path>.lock`
// keeps a second process out. Writer, readers and checkpoints have connections of their own
// (sqlite_checkpoints.h). Not for network file systems.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bel/segment.h"
#include "bel/sqlite_checkpoints.h"
#include "bel/storage.h"

namespace databuild {

class SqliteConnection;

class SqliteStorage final : public Storage {
 public:
  // `read_only`: reads beside the process that writes the file; needs no lock, changes nothing.
  SqliteStorage(std::string path, StorageTimeouts timeouts, bool read_only = false);
  ~SqliteStorage() override;

  // kUnavailable when another process (or another SqliteStorage) holds the file.
  Status Initialize() override;
  Result<Acquired> Acquire(const AcquireRequest& request) override;
  std::vector<Result<int64_t>> AppendAll(std::span<const AppendBatch> batches) override;
  Result<int64_t> Import(const AppendBatch& batch) override;
  Result<StoredPage> List(const std::string& graph, const ListRange& range) override;
  Result<GraphHead> Head(const std::string& graph) override;
  Result<std::vector<GraphHead>> Graphs() override;
  Status PutSegment(const std::string& graph, int64_t epoch, const Segment& segment) override;
  Result<int64_t> DropSealedRows(const std::string& graph, int64_t epoch) override;
  Status RaiseFloor(const std::string& graph, int64_t epoch, int64_t floor) override;
  Result<std::vector<SegmentInfo>> Segments(const std::string& graph) override;
  Status PutBaseChunk(const std::string& graph, int64_t epoch, const BaseChunk& chunk) override;
  Result<std::string> ReadBaseChunk(const std::string& graph, int64_t idx, int32_t number) override;
  Status FinishBase(const std::string& graph, int64_t epoch, const BaseInfo& base) override;
  Status DropBases(const std::string& graph, int64_t epoch, int64_t idx) override;
  Result<std::vector<BaseInfo>> Bases(const std::string& graph) override;
  Status BeginAt(const std::string& graph, int64_t epoch, int64_t floor) override;
  const char* name() const override { return "sqlite"; }

 private:
  // A connection on loan from idle_readers_.
  class Reader {
   public:
    Reader(SqliteStorage* storage, std::unique_ptr<SqliteConnection> connection);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    SqliteConnection& operator*() { return *connection_; }
    SqliteConnection* operator->() { return connection_.get(); }
    SqliteConnection* get() { return connection_.get(); }

   private:
    SqliteStorage* storage_;
    std::unique_ptr<SqliteConnection> connection_;
  };
  // A graph's log that is still the caller's.
  struct Owned {
    int64_t graph_id = 0;
    int64_t sealed = 0;
    int64_t floor = 0;
  };

  Status Lock();
  Status Migrate();
  Status InitializeReader();
  Result<size_t> SchemaVersion(SqliteConnection& connection) const;
  Status RequireOpen() const;
  Result<int64_t> AppendOne(const AppendBatch& batch);
  Result<std::vector<Result<int64_t>>> TryAppendAll(std::span<const AppendBatch> batches);
  Status AddRows(SqliteConnection& connection, const std::string& graph, const ListRange& range,
                 StoredPage& page);
  static Result<GraphHead> HeadOf(SqliteConnection& connection, const std::string& graph);
  static Result<Segment> SegmentAt(SqliteConnection& connection, const std::string& graph,
                                   int64_t idx);
  Result<Owned> RequireOwned(const std::string& graph, int64_t epoch);
  Status CompareWithRows(const std::string& graph, const Segment& segment);
  Result<int64_t> DropRows(const std::string& graph, const Owned& owned);
  Status RequireBase(const std::string& graph, int64_t floor);
  Result<std::unique_ptr<SqliteConnection>> TakeReader();

  const std::string path_;
  const StorageTimeouts timeouts_;
  const bool read_only_;
  int lock_fd_ = -1;

  std::mutex writer_mutex_;  // guards writer_
  std::unique_ptr<SqliteConnection> writer_;

  std::mutex readers_mutex_;  // guards idle_readers_
  std::vector<std::unique_ptr<SqliteConnection>> idle_readers_;

  SegmentCache segment_cache_;

  std::unique_ptr<SqliteCheckpoints> checkpoints_;  // since Initialize, where writing is allowed
};

}  // namespace databuild
