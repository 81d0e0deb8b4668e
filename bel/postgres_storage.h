// Storage in Postgres: the production backend. One connection for appends, where a second is sent
// while the first commits; a few for all else.
//
// An append is one statement: the head row moves only if epoch and head are the expected ones, and
// the events go in with it. The server's clock, sequences and isolation level play no part in order
// or density. Refuses a server that acknowledges commits before they are durable
// (synchronous_commit=off, fsync=off).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bel/segment.h"
#include "bel/storage.h"

namespace databuild {

class PostgresConnection;
class PostgresPipeline;
struct PostgresStatement;

struct PostgresOptions {
  std::string uri;
  StorageTimeouts timeouts;
  bool allow_unsafe_commit = false;
  bool read_only = false;  // changes nothing; Initialize checks the schema but does not migrate
};

// kInvalidArgument when libpq does not understand the URI; the message does not repeat it.
Status CheckPostgresUri(const std::string& uri);

class PostgresStorage final : public Storage {
 public:
  explicit PostgresStorage(PostgresOptions options);
  ~PostgresStorage() override;

  Status Initialize() override;
  Result<Acquired> Acquire(const AcquireRequest& request) override;
  std::vector<Result<int64_t>> AppendAll(std::span<const AppendBatch> batches) override;
  std::unique_ptr<AppendInFlight> BeginAppend(std::span<const AppendBatch> batches) override;
  int max_in_flight() const override { return 2; }
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
  const char* name() const override { return "postgres"; }

 private:
  // A connection on loan from idle_readers_.
  class Reader {
   public:
    Reader(PostgresStorage* storage, std::unique_ptr<PostgresConnection> connection);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    PostgresConnection& operator*() { return *connection_; }
    PostgresConnection* operator->() { return connection_.get(); }

   private:
    PostgresStorage* storage_;
    std::unique_ptr<PostgresConnection> connection_;
  };
  class InFlight;

  Result<std::unique_ptr<PostgresConnection>> Connect() const;
  // Requires writer_mutex_. A usable connection, new if need be.
  Result<std::shared_ptr<PostgresPipeline>> Writer();
  Status Migrate(PostgresConnection& connection) const;
  Status RequireWritable() const;
  Result<std::unique_ptr<PostgresConnection>> TakeReader();
  static Result<GraphHead> HeadOf(PostgresConnection& connection, const std::string& graph);
  static Result<Segment> SegmentAt(PostgresConnection& connection, const std::string& graph,
                                   int64_t idx);
  Result<StoredPage> ListOnce(PostgresConnection& connection, const std::string& graph,
                              const ListRange& range);
  Result<int64_t> CallFenced(const PostgresStatement& statement, const std::string& graph,
                             int64_t epoch);

  Status ExecuteFenced(const PostgresStatement& statement, const std::string& graph, int64_t epoch);

  const PostgresOptions options_;
  std::mutex writer_mutex_;  // guards writer_; appends are sent in the order they take it
  std::shared_ptr<PostgresPipeline> writer_;
  std::mutex readers_mutex_;  // guards idle_readers_
  std::vector<std::unique_ptr<PostgresConnection>> idle_readers_;
  SegmentCache segment_cache_;
};

}  // namespace databuild
