-- The row of run $2 of graph $1 that begins with sequence $3.
SELECT first_sequence, last_sequence, first_ts, last_ts, max_level, codec, crc32c, bytes
FROM bel_logs
WHERE graph_id = (SELECT graph_id FROM bel_head WHERE graph = $1) AND job_run_id = CAST($2::text AS uuid)
  AND first_sequence = $3
