-- ?1 graph_id.
SELECT idx FROM bel_events WHERE graph_id = ?1 ORDER BY idx LIMIT 1
