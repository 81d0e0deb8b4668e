-- A chunk or mark of run ?2 of graph ?1; what is stored stays.
INSERT INTO bel_run_logs (graph, job_run_id, first_sequence, last_sequence, first_ts, last_ts, max_level, ts,
                          codec, crc32c, bytes)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT DO NOTHING
