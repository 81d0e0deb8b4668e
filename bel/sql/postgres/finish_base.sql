-- $1 graph, $2 epoch, $3 idx, $4 model version, $5 chunks, $6 bytes, $7 crc32c. No row: another writer took over.
INSERT INTO bel_bases (graph_id, idx, model_version, chunks, bytes, crc32c)
SELECT graph_id, $3, $4, $5, $6, $7 FROM bel_head WHERE graph = $1 AND epoch = $2
RETURNING graph_id
