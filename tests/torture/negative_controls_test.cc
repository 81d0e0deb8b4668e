// Three ways to build a log on Postgres that are wrong, each popular. The checker must object to
// every one of them: a checker that never fails proves nothing.
#include <algorithm>

#include "bel/postgres_connection.h"
#include "gtest/gtest.h"
#include "tests/support/postgres_fixture.h"
#include "tests/torture/history.h"

namespace databuild::torture {
namespace {

class NegativeControl : public PostgresFixture {
 protected:
  void SetUp() override {
    PostgresFixture::SetUp();
    a_ = Connect(), b_ = Connect(), reader_ = Connect();
    Run(*a_, "CREATE TABLE naive (idx bigserial PRIMARY KEY, tag text NOT NULL)");
  }
  std::unique_ptr<PostgresConnection> Connect() {
    return std::move(PostgresConnection::Open(uri_, 10 * kSecond, 10 * kSecond).value());
  }
  static void Run(PostgresConnection& connection, const char* sql) {
    const Status done = connection.Run(sql);
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  void Acknowledge(const std::string& tag, int64_t idx) {
    now_ += 10;
    history_.Add(AppendSeen{tag, 1, now_, now_ + 100'000, {idx}});  // all at the same time
  }
  // A page as the reader under test sees it: what it gets is what it believes to have scanned.
  void Poll(const char* sql) {
    PostgresStatement statement{sql, {}};
    statement.params.Int(cursor_);
    const auto rows = reader_->Execute(statement);
    ASSERT_TRUE(rows.ok()) << rows.error().message;
    PollSeen seen{"naive", {}, cursor_, cursor_, 0, 1, false, "log", 0, 0};
    for (int row = 0; row < rows->count(); ++row) {
      seen.next = rows->Int(row, 0);
      ++seen.count;
      seen.hash = HashEvent(seen.hash, seen.next, rows->Text(row, 1));
    }
    seen.head = cursor_ = seen.next;
    history_.Add(seen);
  }
  std::vector<std::string> Judge() {
    std::vector<LoggedEvent> log;
    const auto rows = reader_->Execute({"SELECT idx, tag FROM naive ORDER BY idx", {}});
    for (int row = 0; row < rows->count(); ++row) {
      const int64_t idx = rows->Int(row, 0);
      log.push_back({idx, idx, 1, rows->Text(row, 1), rows->Text(row, 1), 0, "r"});
    }
    return Check(history_, log);
  }
  static bool Has(const std::vector<std::string>& breaches, const std::string& kind) {
    return std::any_of(breaches.begin(), breaches.end(),
                       [&](const std::string& breach) { return breach.starts_with(kind + ":"); });
  }

  std::unique_ptr<PostgresConnection> a_, b_, reader_;
  History history_;
  TimeNs now_ = 0;
  int64_t cursor_ = 0;
};

// idx comes from a sequence when a row is inserted; rows become visible when they are committed.
TEST_F(NegativeControl, APollerOverASequenceMissesEventsAndTheCheckerSaysSo) {
  const char* page = "SELECT idx, tag FROM naive WHERE idx > $1 ORDER BY idx LIMIT 1000";
  Run(*a_, "BEGIN");
  Run(*a_, "INSERT INTO naive (tag) VALUES ('a')");  // idx 1
  Run(*b_, "INSERT INTO naive (tag) VALUES ('b')");  // idx 2, committed first
  Acknowledge("b", 2);
  Poll(page);  // sees 2, believes to have seen all up to 2
  Run(*a_, "COMMIT");
  Acknowledge("a", 1);
  Poll(page);  // 1 is behind its cursor
  const auto breaches = Judge();
  EXPECT_TRUE(Has(breaches, "poll"));
  EXPECT_EQ(cursor_, 2);
}

// "Only rows below the oldest running transaction": but a later transaction may hold a lower idx.
TEST_F(NegativeControl, AHorizonOfTransactionsWithACursorOfIdxMissesEventsAndTheCheckerSaysSo) {
  const char* page =
      "SELECT idx, tag FROM naive WHERE idx > $1 AND xmin::text::bigint < "
      "pg_snapshot_xmin(pg_current_snapshot())::text::bigint ORDER BY idx LIMIT 1000";
  // The first value of a sequence takes a transaction id along, the next 31 do not.
  Run(*a_, "INSERT INTO naive (tag) VALUES ('first')");
  Acknowledge("first", 1);
  Run(*a_, "BEGIN");
  Run(*a_, "SELECT nextval('naive_idx_seq')");       // idx 2, and no transaction id yet
  Run(*b_, "INSERT INTO naive (tag) VALUES ('b')");  // idx 3
  Acknowledge("b", 3);
  Poll(page);
  ASSERT_EQ(cursor_, 3);  // the horizon let it through
  Run(*a_, "INSERT INTO naive (idx, tag) VALUES (2, 'a')");
  Run(*a_, "COMMIT");
  Acknowledge("a", 2);
  Poll(page);
  EXPECT_TRUE(Has(Judge(), "poll"));
}

// Two writers take the same idx; the second is told that all is well.
TEST_F(NegativeControl, AWriterThatIgnoresConflictsLosesEventsAndTheCheckerSaysSo) {
  Run(*a_, "INSERT INTO naive (idx, tag) VALUES (1, 'a') ON CONFLICT DO NOTHING");
  Acknowledge("a", 1);
  Run(*b_, "INSERT INTO naive (idx, tag) VALUES (1, 'b') ON CONFLICT DO NOTHING");
  Acknowledge("b", 1);
  EXPECT_TRUE(Has(Judge(), "lost"));
}

// The control of the controls: the same harness accepts what is right.
TEST_F(NegativeControl, OneWriterWhoAssignsIdxInOrderIsAccepted) {
  const char* page = "SELECT idx, tag FROM naive WHERE idx > $1 ORDER BY idx LIMIT 1000";
  Run(*a_, "INSERT INTO naive (idx, tag) VALUES (1, 'a')");
  Acknowledge("a", 1);
  Poll(page);
  Run(*a_, "INSERT INTO naive (idx, tag) VALUES (2, 'b')");
  Acknowledge("b", 2);
  Poll(page);
  EXPECT_EQ(Judge(), std::vector<std::string>());
}

}  // namespace
}  // namespace databuild::torture
