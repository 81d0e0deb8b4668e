-- ?1 graph, ?2 epoch, ?3 last sealed idx before, ?4 now. No row: another writer took over, or another segment
-- is next.
UPDATE bel_head SET sealed_idx = ?4 WHERE graph = ?1 AND epoch = ?2 AND sealed_idx = ?3
RETURNING graph_id
