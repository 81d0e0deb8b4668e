-- $1 graph, $2 cluster_uid, $3 holder, $4 new log_id, $5 schema_version.
-- No row: the graph's log belongs to another cluster.
INSERT INTO bel_head AS head (graph, cluster_uid, log_id, epoch, holder, next_idx, schema_version)
VALUES ($1, $2, $4::uuid, 1, $3, 1, $5::integer)
ON CONFLICT (graph) DO UPDATE SET epoch = head.epoch + 1, holder = excluded.holder
  WHERE head.cluster_uid = excluded.cluster_uid
RETURNING log_id::text, epoch, next_idx - 1, last_ts, floor_idx, sealed_idx
