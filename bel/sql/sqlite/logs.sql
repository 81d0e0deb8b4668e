-- The second file: chunks of job logs, compressed by the writer. Kept apart so that the log of events stays
-- small and its checkpoints short.
CREATE TABLE IF NOT EXISTS bel_logs (
  graph_id       INTEGER NOT NULL,
  job_run_id     BLOB    NOT NULL,
  first_sequence INTEGER NOT NULL,
  last_sequence  INTEGER NOT NULL CHECK (last_sequence >= first_sequence),
  ts             INTEGER NOT NULL,
  codec          TEXT    NOT NULL,
  crc32c         INTEGER NOT NULL,
  bytes          BLOB    NOT NULL,
  PRIMARY KEY (graph_id, job_run_id, first_sequence)
);
