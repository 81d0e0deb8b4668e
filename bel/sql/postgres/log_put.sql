-- A chunk or mark of run $2 of graph $1; what is stored stays. $3 and $4 first and last sequence, $5 and $6 first
-- and last time of the lines, $7 highest level, $8 now, $9 codec, $10 crc32c, $11 bytes.
INSERT INTO bel_logs (graph_id, job_run_id, first_sequence, last_sequence, first_ts, last_ts, max_level, ts,
                      codec, crc32c, bytes)
SELECT graph_id, CAST($2::text AS uuid), $3, $4, $5, $6, $7, $8, $9, $10, $11::bytea FROM bel_head WHERE graph = $1
ON CONFLICT DO NOTHING
RETURNING graph_id
