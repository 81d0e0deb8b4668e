-- Sealed ranges: what may leave bel_events, and how that is proved. A row may go only once a segment holds
-- the same bytes; that is a rule about the data, so it binds the owner of the tables too.

ALTER TABLE bel_head ADD COLUMN sealed_idx bigint NOT NULL DEFAULT 0;
ALTER TABLE bel_head ADD CONSTRAINT bel_head_sealed CHECK (sealed_idx >= floor_idx AND sealed_idx < next_idx);
ALTER TABLE bel_segments ADD COLUMN last_ts bigint NOT NULL, ADD COLUMN events_sha256 bytea NOT NULL;

-- The bytes a segment is made of, before compression.
CREATE FUNCTION bel_events_sha256(of_graph integer, first bigint, last bigint) RETURNS bytea
LANGUAGE sql STABLE AS $$
  SELECT sha256(string_agg(int8send(ts) || int8send(epoch) || int2send(schema_version) || int2send(type) ||
                           uuid_send(event_id) || int4send(crc32c) || int4send(octet_length(payload)) ||
                           payload, ''::bytea ORDER BY idx))
  FROM bel_events WHERE graph_id = of_graph AND idx BETWEEN first AND last
$$;

CREATE FUNCTION bel_check_segment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.first_idx IS DISTINCT FROM (SELECT sealed_idx + 1 FROM bel_head WHERE graph_id = NEW.graph_id) THEN
    RAISE EXCEPTION 'segment % to % does not follow the last one', NEW.first_idx, NEW.last_idx
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.events_sha256 IS DISTINCT FROM bel_events_sha256(NEW.graph_id, NEW.first_idx, NEW.last_idx) THEN
    RAISE EXCEPTION 'segment % to % does not hold the events of the log', NEW.first_idx, NEW.last_idx
      USING ERRCODE = 'data_corrupted';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION bel_check_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.sealed_idx < OLD.sealed_idx OR NEW.floor_idx < OLD.floor_idx THEN
    RAISE EXCEPTION 'the build event log is append-only: floor and sealed range never go back'
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.sealed_idx > OLD.sealed_idx AND NOT EXISTS (
      SELECT 1 FROM bel_segments WHERE graph_id = NEW.graph_id AND first_idx = OLD.sealed_idx + 1
                                   AND last_idx = NEW.sealed_idx) THEN
    RAISE EXCEPTION 'the build event log is append-only: no segment holds idx % to %', OLD.sealed_idx + 1,
      NEW.sealed_idx USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION bel_check_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.idx > (SELECT sealed_idx FROM bel_head WHERE graph_id = OLD.graph_id) THEN
    RAISE EXCEPTION 'the build event log is append-only: DELETE on bel_events is refused, idx % is not sealed',
      OLD.idx USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END $$;

CREATE FUNCTION bel_check_segment_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.last_idx > (SELECT floor_idx FROM bel_head WHERE graph_id = OLD.graph_id) THEN
    RAISE EXCEPTION 'the build event log is append-only: DELETE on bel_segments is refused above the floor'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END $$;

DROP TRIGGER bel_events_append_only ON bel_events;
CREATE TRIGGER bel_events_no_update BEFORE UPDATE ON bel_events
  FOR EACH ROW EXECUTE FUNCTION bel_refuse_change();
CREATE TRIGGER bel_events_only_sealed_go BEFORE DELETE ON bel_events
  FOR EACH ROW EXECUTE FUNCTION bel_check_removal();
CREATE TRIGGER bel_segments_hold_events BEFORE INSERT ON bel_segments
  FOR EACH ROW EXECUTE FUNCTION bel_check_segment();
CREATE TRIGGER bel_segments_no_update BEFORE UPDATE ON bel_segments
  FOR EACH ROW EXECUTE FUNCTION bel_refuse_change();
CREATE TRIGGER bel_segments_only_below_floor_go BEFORE DELETE ON bel_segments
  FOR EACH ROW EXECUTE FUNCTION bel_check_segment_removal();
CREATE TRIGGER bel_segments_no_truncate BEFORE TRUNCATE ON bel_segments
  FOR EACH STATEMENT EXECUTE FUNCTION bel_refuse_change();
CREATE TRIGGER bel_head_checked BEFORE UPDATE OF sealed_idx, floor_idx ON bel_head
  FOR EACH ROW EXECUTE FUNCTION bel_check_head();

-- Removes the rows of the oldest segment that still has some, after comparing them once more. Returns how
-- many rows went; NULL: another writer took over. SECURITY DEFINER: the writer itself may not delete.
CREATE FUNCTION bel_drop_sealed(of_graph text, with_epoch bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  head    bel_head;
  segment bel_segments;
  oldest  bigint;
  up_to   bigint;
  removed bigint;
BEGIN
  SELECT * INTO head FROM bel_head WHERE graph = of_graph AND epoch = with_epoch;
  IF NOT FOUND THEN RETURN NULL; END IF;
  SELECT idx INTO oldest FROM bel_events WHERE graph_id = head.graph_id ORDER BY idx LIMIT 1;
  IF oldest IS NULL OR oldest > head.sealed_idx THEN RETURN 0; END IF;
  up_to := head.floor_idx;
  IF oldest > head.floor_idx THEN
    SELECT * INTO segment FROM bel_segments
    WHERE graph_id = head.graph_id AND first_idx <= oldest ORDER BY first_idx DESC LIMIT 1;
    IF NOT FOUND OR segment.events_sha256 IS DISTINCT FROM
                    bel_events_sha256(head.graph_id, segment.first_idx, segment.last_idx) THEN
      RAISE EXCEPTION 'the segment of idx % does not hold the events of the log; nothing was removed', oldest
        USING ERRCODE = 'data_corrupted';
    END IF;
    up_to := segment.last_idx;
  END IF;
  DELETE FROM bel_events WHERE graph_id = head.graph_id AND idx <= up_to;
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN removed;
END $$;

-- Gives up all events up to `new_floor`, which must be sealed. Returns how many segments went; NULL: another
-- writer took over.
CREATE FUNCTION bel_raise_floor(of_graph text, with_epoch bigint, new_floor bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  id      integer;
  removed bigint;
BEGIN
  UPDATE bel_head SET floor_idx = greatest(floor_idx, new_floor)
  WHERE graph = of_graph AND epoch = with_epoch RETURNING graph_id INTO id;
  IF NOT FOUND THEN RETURN NULL; END IF;
  DELETE FROM bel_segments WHERE graph_id = id AND last_idx <= new_floor;
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN removed;
END $$;

-- What the operator's role needs when it is not the role that owns the tables. The owner calls it once:
-- SELECT bel_grant_writer('databuild').
CREATE FUNCTION bel_grant_writer(role_name name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('GRANT SELECT ON bel_migrations, bel_head, bel_events, bel_segments, bel_logs TO %I', role_name);
  EXECUTE format('GRANT INSERT ON bel_head, bel_events, bel_segments, bel_logs TO %I', role_name);
  EXECUTE format('GRANT UPDATE (epoch, holder, next_idx, last_ts, sealed_idx) ON bel_head TO %I', role_name);
  EXECUTE format('GRANT DELETE ON bel_logs TO %I', role_name);
  EXECUTE format('GRANT EXECUTE ON FUNCTION bel_drop_sealed, bel_raise_floor TO %I', role_name);
END $$;

REVOKE EXECUTE ON FUNCTION bel_drop_sealed, bel_raise_floor, bel_grant_writer FROM PUBLIC;

-- No search path of a caller decides which tables these work on.
DO $$
DECLARE
  function_name text;
BEGIN
  FOREACH function_name IN ARRAY ARRAY['bel_events_sha256', 'bel_check_segment', 'bel_check_head',
      'bel_check_removal', 'bel_check_segment_removal', 'bel_drop_sealed', 'bel_raise_floor',
      'bel_grant_writer'] LOOP
    EXECUTE format('ALTER FUNCTION %I SET search_path = %I, pg_temp', function_name, current_schema());
  END LOOP;
END $$;

INSERT INTO bel_migrations (version) VALUES (2);
