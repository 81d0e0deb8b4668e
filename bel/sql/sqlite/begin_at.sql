-- ?1 graph_id, ?2 floor. No change: there are events.
UPDATE bel_head SET floor_idx = ?2, sealed_idx = ?2, next_idx = ?2 + 1 WHERE graph_id = ?1 AND next_idx = 1
