-- Runs of graph ?1 of which nothing was stored since ?2, a hundred at a time.
DELETE FROM bel_run_logs WHERE graph = ?1 AND job_run_id IN (
  SELECT job_run_id FROM bel_run_logs WHERE graph = ?1 GROUP BY job_run_id HAVING max(ts) < ?2 LIMIT 100)
