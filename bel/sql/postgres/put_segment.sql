-- A segment and, with it, the sealed range. $1 graph, $2 epoch, $3 first idx, $4 last idx, $5 newest ts,
-- $6 codec, $7 crc32c, $8 SHA-256 of the events, $9 bytes. The trigger compares it with the rows. No row:
-- another writer took over, or another segment is next.
WITH head AS (
  SELECT graph_id FROM bel_head WHERE graph = $1 AND epoch = $2 AND sealed_idx = $3 - 1
)
INSERT INTO bel_segments (graph_id, first_idx, last_idx, count, last_ts, codec, crc32c, events_sha256, bytes)
SELECT graph_id, $3, $4, ($4 - $3 + 1)::integer, $5, $6, $7, $8::bytea, $9::bytea FROM head
RETURNING graph_id
