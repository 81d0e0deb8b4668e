-- ?1 graph, ?2 idx of the base, ?3 number.
SELECT bytes
FROM bel_base_chunks
WHERE graph_id = (SELECT graph_id FROM bel_head WHERE graph = ?1) AND idx = ?2 AND number = ?3
