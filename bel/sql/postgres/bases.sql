-- Bases of graph $1, newest first.
SELECT idx, model_version, chunks, bytes, crc32c
FROM bel_bases
WHERE graph_id = (SELECT graph_id FROM bel_head WHERE graph = $1)
ORDER BY idx DESC
