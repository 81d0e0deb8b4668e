-- ?1 graph_id, ?2 idx, ?3 model version, ?4 chunks, ?5 bytes, ?6 crc32c.
INSERT INTO bel_bases (graph_id, idx, model_version, chunks, bytes, crc32c) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
