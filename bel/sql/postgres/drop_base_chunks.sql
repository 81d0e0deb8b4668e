-- Chunks of graph $1 that belong to no base. $2 epoch.
DELETE FROM bel_base_chunks AS chunk
WHERE graph_id = (SELECT graph_id FROM bel_head WHERE graph = $1 AND epoch = $2)
  AND NOT EXISTS (SELECT 1 FROM bel_bases AS base WHERE base.graph_id = chunk.graph_id AND base.idx = chunk.idx)
