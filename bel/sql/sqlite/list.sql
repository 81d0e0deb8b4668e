-- ?1 graph, ?2 since idx (exclusive), ?3 up to idx (inclusive), ?4 limit.
SELECT idx, ts, epoch, schema_version, type, event_id, crc32c, payload
FROM bel_events
WHERE graph_id = (SELECT graph_id FROM bel_head WHERE graph = ?1) AND idx > ?2 AND idx <= ?3
ORDER BY idx
LIMIT ?4
