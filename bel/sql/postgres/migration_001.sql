-- The log's four tables and the record of migrations. Events are append-only by trigger.

CREATE TABLE bel_migrations (
  version    integer     PRIMARY KEY,
  applied_at timestamptz NOT NULL DEFAULT now()
);

-- One row per graph: who may write, and where. Every append updates it, so pages stay half empty
-- for heap-only updates.
CREATE TABLE bel_head (
  graph_id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  graph          text    NOT NULL UNIQUE,
  cluster_uid    text    NOT NULL,
  log_id         uuid    NOT NULL,
  epoch          bigint  NOT NULL CHECK (epoch >= 1),
  holder         text    NOT NULL,
  next_idx       bigint  NOT NULL CHECK (next_idx >= 1),
  floor_idx      bigint  NOT NULL DEFAULT 0 CHECK (floor_idx >= 0 AND floor_idx < next_idx),
  last_ts        bigint  NOT NULL DEFAULT 0,
  schema_version integer NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- The hot window of events. idx is dense per graph and assigned by the writer: no sequence.
CREATE TABLE bel_events (
  idx            bigint   NOT NULL,
  ts             bigint   NOT NULL,
  epoch          bigint   NOT NULL,
  event_id       uuid     NOT NULL,
  graph_id       integer  NOT NULL,
  crc32c         integer  NOT NULL,
  schema_version smallint NOT NULL,
  type           smallint NOT NULL,
  payload        bytea    NOT NULL,
  PRIMARY KEY (graph_id, idx)
);

-- Sealed ranges of older events.
CREATE TABLE bel_segments (
  graph_id  integer NOT NULL,
  first_idx bigint  NOT NULL,
  last_idx  bigint  NOT NULL CHECK (last_idx >= first_idx),
  count     integer NOT NULL CHECK (count = last_idx - first_idx + 1),
  codec     text    NOT NULL,
  crc32c    integer NOT NULL,
  bytes     bytea   NOT NULL,
  PRIMARY KEY (graph_id, first_idx)
);
ALTER TABLE bel_segments ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- Chunks of job logs, compressed by the writer.
CREATE TABLE bel_logs (
  graph_id       integer NOT NULL,
  job_run_id     uuid    NOT NULL,
  first_sequence bigint  NOT NULL,
  last_sequence  bigint  NOT NULL CHECK (last_sequence >= first_sequence),
  ts             bigint  NOT NULL,
  codec          text    NOT NULL,
  crc32c         integer NOT NULL,
  bytes          bytea   NOT NULL,
  PRIMARY KEY (graph_id, job_run_id, first_sequence)
);
ALTER TABLE bel_logs ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE FUNCTION bel_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the build event log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER bel_events_append_only BEFORE UPDATE OR DELETE ON bel_events
  FOR EACH ROW EXECUTE FUNCTION bel_refuse_change();
CREATE TRIGGER bel_events_no_truncate BEFORE TRUNCATE ON bel_events
  FOR EACH STATEMENT EXECUTE FUNCTION bel_refuse_change();
CREATE TRIGGER bel_head_keeps_graphs BEFORE DELETE OR TRUNCATE ON bel_head
  FOR EACH STATEMENT EXECUTE FUNCTION bel_refuse_change();

REVOKE ALL ON bel_head, bel_events, bel_segments, bel_logs, bel_migrations FROM PUBLIC;

-- Large payloads are compressed with lz4 where the server has it.
DO $$
BEGIN
  ALTER TABLE bel_events ALTER COLUMN payload SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value OR syntax_error THEN
  NULL;
END $$;

INSERT INTO bel_migrations (version) VALUES (1);
