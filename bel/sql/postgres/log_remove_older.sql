-- Runs of graph $1 of which nothing was stored since $2, a hundred at a time.
WITH old AS (
  SELECT graph_id, job_run_id FROM bel_logs
  WHERE graph_id = (SELECT graph_id FROM bel_head WHERE graph = $1)
  GROUP BY graph_id, job_run_id HAVING max(ts) < $2 LIMIT 100
)
DELETE FROM bel_logs USING old WHERE bel_logs.graph_id = old.graph_id AND bel_logs.job_run_id = old.job_run_id
