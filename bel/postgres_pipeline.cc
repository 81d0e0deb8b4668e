#include "bel/postgres_pipeline.h"

#include <utility>

namespace databuild {

struct PostgresPipeline::Transaction {
  size_t statements = 0;
  PostgresConnection::Deadline deadline = 0;
  std::vector<PostgresRows> rows;  // one per statement
  Status outcome;                  // the first thing that failed
  bool done = false;
};

std::shared_ptr<PostgresPipeline::Transaction> PostgresPipeline::Send(
    std::span<const PostgresStatement> statements) {
  auto transaction = std::make_shared<Transaction>();
  transaction->statements = statements.size();
  Lock lock(mutex_);
  transaction->deadline = connection_->CallDeadline();
  sent_.push_back(transaction);
  // Takes what the server answers meanwhile, or both sides could wait for the other to read.
  Status sent = connection_->SendTransaction(statements, transaction->deadline);
  if (!sent.ok()) FailAll(sent.error());
  return transaction;
}

void PostgresPipeline::FailAll(const Error& error) {
  for (const auto& transaction : sent_) {
    if (transaction->outcome.ok()) transaction->outcome = error;
    transaction->done = true;
  }
  sent_.clear();
  answered_.notify_all();
}

void PostgresPipeline::TakeResult(pg_result* result) {
  Transaction& transaction = *sent_.front();
  PostgresRows rows(result);
  switch (connection_->KindOf(result)) {
    case PostgresConnection::ResultKind::kGood:
      transaction.rows.push_back(std::move(rows));
      return;
    case PostgresConnection::ResultKind::kSkipped:
      return;
    case PostgresConnection::ResultKind::kFailed:
      if (transaction.outcome.ok()) transaction.outcome = connection_->FromResult(result);
      return;
    case PostgresConnection::ResultKind::kSync:
      // Committed, unless something failed before: only this answer says so.
      if (transaction.outcome.ok() && transaction.rows.size() != transaction.statements) {
        transaction.outcome = connection_->Lost("the server gave no result");
      }
      transaction.done = true;
      sent_.pop_front();
      answered_.notify_all();
      return;
  }
}

Status PostgresPipeline::ReadAvailable() {
  while (!sent_.empty()) {
    ASSIGN_OR_RETURN(const bool ready, connection_->HasResult());
    if (!ready) return {};
    if (pg_result* result = connection_->TakeResult()) {
      TakeResult(result);
    } else if (connection_->HungUp()) {  // else it ends the results of one statement
      return connection_->Lost("the connection was lost");
    }
  }
  return {};
}

Result<std::vector<PostgresRows>> PostgresPipeline::Wait(Transaction& transaction) {
  Lock lock(mutex_);
  while (!transaction.done) {
    if (reading_) {
      answered_.wait(lock);
      continue;
    }
    Status read = ReadAvailable();
    if (read.ok() && !sent_.empty() && connection_->IsOver(sent_.front()->deadline)) {
      read = connection_->Silent();
    }
    if (!read.ok()) FailAll(read.error());
    if (transaction.done) break;
    reading_ = true;
    lock.unlock();
    connection_->AwaitInput();
    lock.lock();
    reading_ = false;
    answered_.notify_all();
  }
  if (!transaction.outcome.ok()) return transaction.outcome.error();
  return std::move(transaction.rows);
}

bool PostgresPipeline::usable() const {
  Lock lock(mutex_);
  return sent_.empty() ? connection_->usable() : !connection_->broken();
}

}  // namespace databuild
