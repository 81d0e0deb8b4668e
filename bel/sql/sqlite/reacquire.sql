-- ?1 graph, ?2 cluster_uid, ?3 holder. Takes a new epoch only while nobody else has.
UPDATE bel_head SET epoch = epoch + 1
WHERE graph = ?1 AND cluster_uid = ?2 AND holder = ?3
RETURNING log_id, epoch, next_idx - 1, last_ts, floor_idx, sealed_idx
