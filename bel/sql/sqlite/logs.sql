-- The second file: lines of job runs. Kept apart so that the log of events stays small and its checkpoints
-- short. A row is a chunk, or with first_sequence 0 the run's mark. bel_logs: never written by any release.
DROP TABLE IF EXISTS bel_logs;
CREATE TABLE IF NOT EXISTS bel_run_logs (
  graph          TEXT    NOT NULL,
  job_run_id     TEXT    NOT NULL,
  first_sequence INTEGER NOT NULL,
  last_sequence  INTEGER NOT NULL CHECK (last_sequence >= first_sequence),
  first_ts       INTEGER NOT NULL,
  last_ts        INTEGER NOT NULL,
  max_level      INTEGER NOT NULL,
  ts             INTEGER NOT NULL,
  codec          TEXT    NOT NULL,
  crc32c         INTEGER NOT NULL,
  bytes          BLOB    NOT NULL,
  PRIMARY KEY (graph, job_run_id, first_sequence)
);
