-- One atomic, fenced, conditional append. $1 graph, $2 epoch, $3 expected head, $4 number of events,
-- $5 newest ts, then one array per column; an event's idx is its place after the expected head.
-- Rows affected: $4, or 0 when epoch or head moved.
WITH head AS (
  UPDATE bel_head SET next_idx = next_idx + $4, last_ts = $5
  WHERE graph = $1 AND epoch = $2 AND next_idx = $3 + 1
  RETURNING graph_id
)
INSERT INTO bel_events (graph_id, idx, ts, epoch, schema_version, type, event_id, crc32c, payload)
SELECT head.graph_id, $3 + event.place, event.ts, $2, event.schema_version, event.type, event.event_id,
       event.crc32c, event.payload
FROM head, unnest($6::bigint[], $7::smallint[], $8::smallint[], $9::uuid[], $10::integer[], $11::bytea[])
     WITH ORDINALITY AS event(ts, schema_version, type, event_id, crc32c, payload, place)
