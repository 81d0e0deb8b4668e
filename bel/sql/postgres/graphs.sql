SELECT graph, cluster_uid, log_id::text, epoch, holder, next_idx - 1, last_ts, floor_idx, sealed_idx
FROM bel_head ORDER BY graph
