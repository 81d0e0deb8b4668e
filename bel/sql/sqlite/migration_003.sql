-- Bases, as in Postgres: a fold of the events 1 to idx, in chunks, without which no floor rises.

CREATE TABLE bel_bases (
  graph_id      INTEGER NOT NULL,
  idx           INTEGER NOT NULL CHECK (idx >= 1),
  model_version INTEGER NOT NULL,
  chunks        INTEGER NOT NULL CHECK (chunks >= 1),
  bytes         INTEGER NOT NULL CHECK (bytes >= 1),
  crc32c        INTEGER NOT NULL,
  PRIMARY KEY (graph_id, idx)
);

CREATE TABLE bel_base_chunks (
  graph_id INTEGER NOT NULL,
  idx      INTEGER NOT NULL,
  number   INTEGER NOT NULL CHECK (number >= 0),
  bytes    BLOB    NOT NULL CHECK (length(bytes) BETWEEN 1 AND 1048576),
  PRIMARY KEY (graph_id, idx, number)
);

CREATE TRIGGER bel_bases_are_whole BEFORE INSERT ON bel_bases
WHEN NEW.idx > (SELECT CASE WHEN next_idx = 1 THEN NEW.idx ELSE next_idx - 1 END
                FROM bel_head WHERE graph_id = NEW.graph_id)
  OR (SELECT count(*) <> NEW.chunks OR sum(length(bytes)) IS NOT NEW.bytes OR max(number) IS NOT NEW.chunks - 1
      FROM bel_base_chunks WHERE graph_id = NEW.graph_id AND idx = NEW.idx)
BEGIN SELECT RAISE(ABORT, 'the base is not whole, or lies beyond the head of its log'); END;
CREATE TRIGGER bel_bases_no_update BEFORE UPDATE ON bel_bases
BEGIN SELECT RAISE(ABORT, 'the build event log is append-only: UPDATE on bel_bases is refused'); END;
CREATE TRIGGER bel_bases_that_bear_a_floor_stay BEFORE DELETE ON bel_bases
WHEN (SELECT floor_idx > 0 AND OLD.idx >= floor_idx AND NOT EXISTS (
        SELECT 1 FROM bel_bases WHERE graph_id = OLD.graph_id AND idx >= floor_idx AND idx <> OLD.idx)
      FROM bel_head WHERE graph_id = OLD.graph_id)
BEGIN SELECT RAISE(ABORT, 'the build event log is append-only: no other base stands for what the floor gave up'); END;
CREATE TRIGGER bel_base_chunks_no_update BEFORE UPDATE ON bel_base_chunks
BEGIN SELECT RAISE(ABORT, 'the build event log is append-only: UPDATE on bel_base_chunks is refused'); END;
CREATE TRIGGER bel_base_chunks_stay BEFORE DELETE ON bel_base_chunks
WHEN EXISTS (SELECT 1 FROM bel_bases WHERE graph_id = OLD.graph_id AND idx = OLD.idx)
BEGIN SELECT RAISE(ABORT, 'the build event log is append-only: DELETE on bel_base_chunks is refused'); END;

DROP TRIGGER bel_head_checked;
CREATE TRIGGER bel_head_checked BEFORE UPDATE OF sealed_idx, floor_idx ON bel_head
WHEN NEW.sealed_idx < OLD.sealed_idx OR NEW.floor_idx < OLD.floor_idx OR NEW.floor_idx > NEW.sealed_idx
  OR NEW.sealed_idx >= NEW.next_idx
  OR (NEW.floor_idx > OLD.floor_idx AND NOT EXISTS (
        SELECT 1 FROM bel_bases WHERE graph_id = NEW.graph_id AND idx >= NEW.floor_idx))
  OR (NEW.sealed_idx > OLD.sealed_idx
      AND NOT (OLD.next_idx = 1 AND NEW.next_idx = NEW.floor_idx + 1 AND NEW.sealed_idx = NEW.floor_idx)
      AND NOT EXISTS (
        SELECT 1 FROM bel_segments WHERE graph_id = NEW.graph_id AND first_idx = OLD.sealed_idx + 1
                                     AND last_idx = NEW.sealed_idx))
BEGIN SELECT RAISE(ABORT, 'the build event log is append-only: floor or sealed range'); END;

PRAGMA user_version = 3;
