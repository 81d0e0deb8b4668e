-- Which ranges of graph $1 are sealed, oldest first.
SELECT first_idx, last_idx, last_ts, octet_length(bytes)
FROM bel_segments
WHERE graph_id = (SELECT graph_id FROM bel_head WHERE graph = $1)
ORDER BY first_idx
