// Transactions on their way over one Postgres connection: a second one is sent while the first
// still commits. Each transaction is the statements between two syncs of libpq's pipeline mode, so
// a failed one leaves nothing open and does not touch its successors. Outcomes come in the order of
// Send.
//
// Thread-safe: one thread may send while others wait. Whoever waits reads for all.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "bel/base/result.h"
#include "bel/postgres_connection.h"

namespace databuild {

class PostgresPipeline {
 public:
  explicit PostgresPipeline(std::unique_ptr<PostgresConnection> connection)
      : connection_(std::move(connection)) {}

  struct Transaction;

  // One round trip for all statements; they commit together or not at all. All carry the same SQL
  // text as the first ever sent. What goes wrong is found out by Wait.
  std::shared_ptr<Transaction> Send(std::span<const PostgresStatement> statements);

  // Blocks until the transaction is durable or has failed. kUnavailable: its outcome is unknown.
  Result<std::vector<PostgresRows>> Wait(Transaction& transaction);

  // False once anything was lost: open another one.
  bool usable() const;

 private:
  using Lock = std::unique_lock<std::mutex>;
  Status ReadAvailable();
  void TakeResult(pg_result* result);
  void FailAll(const Error& error);

  mutable std::mutex mutex_;  // guards everything below
  const std::unique_ptr<PostgresConnection> connection_;
  std::deque<std::shared_ptr<Transaction>> sent_;  // oldest first, not yet answered
  bool reading_ = false;              // somebody sleeps until the server says something
  std::condition_variable answered_;  // outcomes changed, or reading_ ended
};

}  // namespace databuild
