-- First statement of an import's transaction. $1 graph, $2 epoch, $3 expected head, $4 number of events,
-- $5 newest ts. No row: epoch or head moved.
UPDATE bel_head SET next_idx = next_idx + $4, last_ts = $5
WHERE graph = $1 AND epoch = $2 AND next_idx = $3 + 1
RETURNING graph_id
