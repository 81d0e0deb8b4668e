-- Bases: a fold of the events 1 to idx, in chunks. What retention gives up must be in one: that is a rule
-- about the data, as all of migration_002.sql. A row in bel_bases says that the base was read back.

CREATE TABLE bel_bases (
  graph_id      integer NOT NULL,
  idx           bigint  NOT NULL CHECK (idx >= 1),
  model_version integer NOT NULL,
  chunks        integer NOT NULL CHECK (chunks >= 1),
  bytes         bigint  NOT NULL CHECK (bytes >= 1),
  crc32c        integer NOT NULL,
  PRIMARY KEY (graph_id, idx)
);

CREATE TABLE bel_base_chunks (
  graph_id integer NOT NULL,
  idx      bigint  NOT NULL,
  number   integer NOT NULL CHECK (number >= 0),
  bytes    bytea   NOT NULL CHECK (octet_length(bytes) BETWEEN 1 AND 1048576),
  PRIMARY KEY (graph_id, idx, number)
);
ALTER TABLE bel_base_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- A base is whole and within the log. Only a log without events, into which a dump is loaded, is given its
-- base before its events.
CREATE FUNCTION bel_check_base() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  pieces  integer;
  size    bigint;
  highest integer;
BEGIN
  IF NEW.idx > (SELECT CASE WHEN next_idx = 1 THEN NEW.idx ELSE next_idx - 1 END
                FROM bel_head WHERE graph_id = NEW.graph_id) THEN
    RAISE EXCEPTION 'a base of idx % lies beyond the head of its log', NEW.idx
      USING ERRCODE = 'restrict_violation';
  END IF;
  SELECT count(*), sum(octet_length(bytes)), max(number) INTO pieces, size, highest
  FROM bel_base_chunks WHERE graph_id = NEW.graph_id AND idx = NEW.idx;
  IF pieces <> NEW.chunks OR size IS DISTINCT FROM NEW.bytes OR highest IS DISTINCT FROM NEW.chunks - 1 THEN
    RAISE EXCEPTION 'the base of idx % is not whole', NEW.idx USING ERRCODE = 'data_corrupted';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION bel_check_base_removal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  floor bigint := (SELECT floor_idx FROM bel_head WHERE graph_id = OLD.graph_id);
BEGIN
  IF floor > 0 AND OLD.idx >= floor AND NOT EXISTS (
      SELECT 1 FROM bel_bases WHERE graph_id = OLD.graph_id AND idx >= floor AND idx <> OLD.idx) THEN
    RAISE EXCEPTION 'the build event log is append-only: no other base stands for the events up to %', floor
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END $$;

CREATE FUNCTION bel_check_chunk_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM bel_bases WHERE graph_id = OLD.graph_id AND idx = OLD.idx) THEN
    RAISE EXCEPTION 'the build event log is append-only: DELETE on bel_base_chunks is refused while their base stands'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END $$;

-- As in migration_002.sql; beside it: a floor rests on a base, and the log of a dump begins at its floor.
CREATE OR REPLACE FUNCTION bel_check_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.sealed_idx < OLD.sealed_idx OR NEW.floor_idx < OLD.floor_idx THEN
    RAISE EXCEPTION 'the build event log is append-only: floor and sealed range never go back'
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.floor_idx > OLD.floor_idx AND NOT EXISTS (
      SELECT 1 FROM bel_bases WHERE graph_id = NEW.graph_id AND idx >= NEW.floor_idx) THEN
    RAISE EXCEPTION 'the build event log is append-only: no base stands for the events up to %', NEW.floor_idx
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.next_idx = 1 AND NEW.next_idx = NEW.floor_idx + 1 AND NEW.sealed_idx = NEW.floor_idx THEN
    RETURN NEW;
  END IF;
  IF NEW.sealed_idx > OLD.sealed_idx AND NOT EXISTS (
      SELECT 1 FROM bel_segments WHERE graph_id = NEW.graph_id AND first_idx = OLD.sealed_idx + 1
                                   AND last_idx = NEW.sealed_idx) THEN
    RAISE EXCEPTION 'the build event log is append-only: no segment holds idx % to %', OLD.sealed_idx + 1,
      NEW.sealed_idx USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER bel_bases_are_whole BEFORE INSERT ON bel_bases
  FOR EACH ROW EXECUTE FUNCTION bel_check_base();
CREATE TRIGGER bel_bases_no_update BEFORE UPDATE ON bel_bases
  FOR EACH ROW EXECUTE FUNCTION bel_refuse_change();
CREATE TRIGGER bel_bases_that_bear_a_floor_stay BEFORE DELETE ON bel_bases
  FOR EACH ROW EXECUTE FUNCTION bel_check_base_removal();
CREATE TRIGGER bel_bases_no_truncate BEFORE TRUNCATE ON bel_bases
  FOR EACH STATEMENT EXECUTE FUNCTION bel_refuse_change();
CREATE TRIGGER bel_base_chunks_no_update BEFORE UPDATE ON bel_base_chunks
  FOR EACH ROW EXECUTE FUNCTION bel_refuse_change();
CREATE TRIGGER bel_base_chunks_stay BEFORE DELETE ON bel_base_chunks
  FOR EACH ROW EXECUTE FUNCTION bel_check_chunk_removal();
CREATE TRIGGER bel_base_chunks_no_truncate BEFORE TRUNCATE ON bel_base_chunks
  FOR EACH STATEMENT EXECUTE FUNCTION bel_refuse_change();

-- A log without events begins after `new_floor`: a dump of a log with a floor is being loaded. Its base must
-- be there. NULL: another writer took over, or there are events.
CREATE FUNCTION bel_begin_at(of_graph text, with_epoch bigint, new_floor bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  UPDATE bel_head SET floor_idx = new_floor, sealed_idx = new_floor, next_idx = new_floor + 1
  WHERE graph = of_graph AND epoch = with_epoch AND next_idx = 1;
  IF NOT FOUND THEN RETURN NULL; END IF;
  RETURN new_floor;
END $$;

CREATE OR REPLACE FUNCTION bel_grant_writer(role_name name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('GRANT SELECT ON bel_migrations, bel_head, bel_events, bel_segments, bel_logs, bel_bases, '
                 'bel_base_chunks TO %I', role_name);
  EXECUTE format('GRANT INSERT ON bel_head, bel_events, bel_segments, bel_logs, bel_bases, bel_base_chunks TO %I',
                 role_name);
  EXECUTE format('GRANT UPDATE (epoch, holder, next_idx, last_ts, sealed_idx) ON bel_head TO %I', role_name);
  EXECUTE format('GRANT DELETE ON bel_logs, bel_bases, bel_base_chunks TO %I', role_name);
  EXECUTE format('GRANT EXECUTE ON FUNCTION bel_drop_sealed, bel_raise_floor, bel_begin_at TO %I', role_name);
END $$;

REVOKE ALL ON bel_bases, bel_base_chunks FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION bel_begin_at FROM PUBLIC;

-- No search path of a caller decides which tables these work on.
DO $$
DECLARE
  function_name text;
BEGIN
  FOREACH function_name IN ARRAY ARRAY['bel_check_base', 'bel_check_base_removal', 'bel_check_chunk_removal',
      'bel_check_head', 'bel_begin_at', 'bel_grant_writer'] LOOP
    EXECUTE format('ALTER FUNCTION %I SET search_path = %I, pg_temp', function_name, current_schema());
  END LOOP;
END $$;

INSERT INTO bel_migrations (version) VALUES (3);
