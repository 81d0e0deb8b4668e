-- ?1 graph_id, ?2 first idx, ?3 last idx, ?4 newest ts, ?5 codec, ?6 crc32c, ?7 SHA-256 of the events, ?8 bytes.
INSERT INTO bel_segments (graph_id, first_idx, last_idx, count, last_ts, codec, crc32c, events_sha256, bytes)
VALUES (?1, ?2, ?3, ?3 - ?2 + 1, ?4, ?5, ?6, ?7, ?8)
