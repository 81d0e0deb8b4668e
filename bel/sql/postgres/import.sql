COPY bel_events (graph_id, idx, ts, epoch, schema_version, type, event_id, crc32c, payload)
FROM STDIN (FORMAT binary)
