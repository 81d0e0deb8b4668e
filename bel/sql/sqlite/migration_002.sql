-- Sealed ranges, as in Postgres: a row may go only once it is sealed, a segment only below the floor. That a
-- segment holds the same bytes as its rows is compared in the transaction that adds it.

ALTER TABLE bel_head ADD COLUMN sealed_idx INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bel_segments ADD COLUMN last_ts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bel_segments ADD COLUMN events_sha256 BLOB NOT NULL DEFAULT x'';

DROP TRIGGER bel_events_no_delete;
CREATE TRIGGER bel_events_only_sealed_go BEFORE DELETE ON bel_events
WHEN OLD.idx > (SELECT sealed_idx FROM bel_head WHERE graph_id = OLD.graph_id)
BEGIN SELECT RAISE(ABORT, 'the build event log is append-only: DELETE on bel_events is refused'); END;
CREATE TRIGGER bel_segments_follow BEFORE INSERT ON bel_segments
WHEN NEW.first_idx <> (SELECT sealed_idx + 1 FROM bel_head WHERE graph_id = NEW.graph_id)
BEGIN SELECT RAISE(ABORT, 'a segment must follow the last one'); END;
CREATE TRIGGER bel_segments_no_update BEFORE UPDATE ON bel_segments
BEGIN SELECT RAISE(ABORT, 'the build event log is append-only: UPDATE on bel_segments is refused'); END;
CREATE TRIGGER bel_segments_only_below_floor_go BEFORE DELETE ON bel_segments
WHEN OLD.last_idx > (SELECT floor_idx FROM bel_head WHERE graph_id = OLD.graph_id)
BEGIN SELECT RAISE(ABORT, 'the build event log is append-only: DELETE on bel_segments is refused'); END;
CREATE TRIGGER bel_head_checked BEFORE UPDATE OF sealed_idx, floor_idx ON bel_head
WHEN NEW.sealed_idx < OLD.sealed_idx OR NEW.floor_idx < OLD.floor_idx OR NEW.floor_idx > NEW.sealed_idx
  OR NEW.sealed_idx >= NEW.next_idx
  OR (NEW.sealed_idx > OLD.sealed_idx AND NOT EXISTS (
        SELECT 1 FROM bel_segments WHERE graph_id = NEW.graph_id AND first_idx = OLD.sealed_idx + 1
                                     AND last_idx = NEW.sealed_idx))
BEGIN SELECT RAISE(ABORT, 'the build event log is append-only: floor or sealed range'); END;

PRAGMA user_version = 2;
