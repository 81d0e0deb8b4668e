-- The segment that holds idx ?2 of graph ?1.
SELECT first_idx, last_idx, last_ts, codec, crc32c, events_sha256, bytes
FROM bel_segments
WHERE graph_id = (SELECT graph_id FROM bel_head WHERE graph = ?1) AND first_idx <= ?2
ORDER BY first_idx DESC
LIMIT 1
