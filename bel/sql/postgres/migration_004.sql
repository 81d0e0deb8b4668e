-- What a reader needs to choose chunks of job logs. A row of bel_logs with first_sequence 0 is a run's mark.
ALTER TABLE bel_logs
  ADD COLUMN first_ts  bigint  NOT NULL DEFAULT 0,
  ADD COLUMN last_ts   bigint  NOT NULL DEFAULT 0,
  ADD COLUMN max_level integer NOT NULL DEFAULT 0;

INSERT INTO bel_migrations (version) VALUES (4);
