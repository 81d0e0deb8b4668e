-- Which chunks there are of run ?2 of graph ?1.
SELECT first_sequence, last_sequence, first_ts, last_ts, max_level
FROM bel_run_logs WHERE graph = ?1 AND job_run_id = ?2 AND first_sequence > 0
ORDER BY first_sequence
