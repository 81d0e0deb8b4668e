-- ?1 graph, ?2 epoch. No row: another writer took over.
SELECT graph_id, sealed_idx, floor_idx FROM bel_head WHERE graph = ?1 AND epoch = ?2
