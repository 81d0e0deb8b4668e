-- ?1 graph_id, ?2 up to idx.
DELETE FROM bel_events WHERE graph_id = ?1 AND idx <= ?2
