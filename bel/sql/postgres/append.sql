-- One atomic, fenced, conditional append. $1 graph, $2 epoch, $3 expected head, $4 number of events,
-- $5 newest ts, then one array of $4 elements per column; an event's idx is its place after the expected
-- head. Arrays in the select list advance together and are never gathered in between.
-- Rows affected: $4, or 0 when epoch or head moved.
WITH head AS (
  UPDATE bel_head SET next_idx = next_idx + $4, last_ts = $5
  WHERE graph = $1 AND epoch = $2 AND next_idx = $3 + 1
  RETURNING graph_id
)
INSERT INTO bel_events (graph_id, idx, ts, epoch, schema_version, type, event_id, crc32c, payload)
SELECT graph_id, generate_series($3 + 1, $3 + $4), unnest($6::bigint[]), $2, unnest($7::smallint[]),
       unnest($8::smallint[]), unnest($9::uuid[]), unnest($10::integer[]), unnest($11::bytea[])
FROM head
