INSERT INTO bel_events (graph_id, idx, ts, epoch, schema_version, type, event_id, crc32c, payload)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
