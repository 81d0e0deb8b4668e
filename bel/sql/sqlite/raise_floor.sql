-- ?1 graph_id, ?2 new floor.
UPDATE bel_head SET floor_idx = max(floor_idx, ?2) WHERE graph_id = ?1
