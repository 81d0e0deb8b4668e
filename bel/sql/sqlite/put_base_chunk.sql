-- ?1 graph_id, ?2 idx of the base, ?3 number, ?4 bytes.
INSERT INTO bel_base_chunks (graph_id, idx, number, bytes) VALUES (?1, ?2, ?3, ?4)
