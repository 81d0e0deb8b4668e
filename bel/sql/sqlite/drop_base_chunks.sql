-- Chunks of graph_id ?1 that belong to no base.
DELETE FROM bel_base_chunks
WHERE graph_id = ?1 AND idx NOT IN (SELECT idx FROM bel_bases WHERE graph_id = ?1)
