-- The same tables as in Postgres. UUIDs are blobs of 16 bytes, crc32c is signed.

CREATE TABLE bel_head (
  graph_id       INTEGER PRIMARY KEY,
  graph          TEXT    NOT NULL UNIQUE,
  cluster_uid    TEXT    NOT NULL,
  log_id         TEXT    NOT NULL,
  epoch          INTEGER NOT NULL CHECK (epoch >= 1),
  holder         TEXT    NOT NULL,
  next_idx       INTEGER NOT NULL CHECK (next_idx >= 1),
  floor_idx      INTEGER NOT NULL DEFAULT 0 CHECK (floor_idx >= 0 AND floor_idx < next_idx),
  last_ts        INTEGER NOT NULL DEFAULT 0,
  schema_version INTEGER NOT NULL
);

CREATE TABLE bel_events (
  graph_id       INTEGER NOT NULL,
  idx            INTEGER NOT NULL,
  ts             INTEGER NOT NULL,
  epoch          INTEGER NOT NULL,
  schema_version INTEGER NOT NULL,
  type           INTEGER NOT NULL,
  event_id       BLOB    NOT NULL,
  crc32c         INTEGER NOT NULL,
  payload        BLOB    NOT NULL,
  PRIMARY KEY (graph_id, idx)
) WITHOUT ROWID;

CREATE TABLE bel_segments (
  graph_id  INTEGER NOT NULL,
  first_idx INTEGER NOT NULL,
  last_idx  INTEGER NOT NULL CHECK (last_idx >= first_idx),
  count     INTEGER NOT NULL CHECK (count = last_idx - first_idx + 1),
  codec     TEXT    NOT NULL,
  crc32c    INTEGER NOT NULL,
  bytes     BLOB    NOT NULL,
  PRIMARY KEY (graph_id, first_idx)
);

CREATE TRIGGER bel_events_no_update BEFORE UPDATE ON bel_events
BEGIN SELECT RAISE(ABORT, 'the build event log is append-only: UPDATE on bel_events is refused'); END;
CREATE TRIGGER bel_events_no_delete BEFORE DELETE ON bel_events
BEGIN SELECT RAISE(ABORT, 'the build event log is append-only: DELETE on bel_events is refused'); END;
CREATE TRIGGER bel_head_no_delete BEFORE DELETE ON bel_head
BEGIN SELECT RAISE(ABORT, 'the build event log is append-only: DELETE on bel_head is refused'); END;

PRAGMA user_version = 1;
