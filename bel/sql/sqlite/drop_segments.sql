-- ?1 graph_id, ?2 floor.
DELETE FROM bel_segments WHERE graph_id = ?1 AND last_idx <= ?2
