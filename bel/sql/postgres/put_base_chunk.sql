-- $1 graph, $2 epoch, $3 idx of the base, $4 number, $5 bytes. No row: another writer took over.
INSERT INTO bel_base_chunks (graph_id, idx, number, bytes)
SELECT graph_id, $3, $4, $5::bytea FROM bel_head WHERE graph = $1 AND epoch = $2
RETURNING graph_id
