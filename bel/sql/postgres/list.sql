-- $1 graph, $2 since idx (exclusive), $3 up to idx (inclusive), $4 bytes of payload; the first event comes
-- whatever its size. Only a page that is too large is looked at event by event.
SELECT idx, ts, epoch, schema_version, type, event_id, crc32c, payload
FROM bel_events
WHERE graph_id = (SELECT graph_id FROM bel_head WHERE graph = $1) AND idx > $2 AND idx <= CASE
  WHEN $4 >= (
    SELECT sum(octet_length(payload)) FROM bel_events
    WHERE graph_id = (SELECT graph_id FROM bel_head WHERE graph = $1) AND idx > $2 AND idx <= $3
  ) THEN $3
  ELSE $2 + greatest(1, (
    SELECT count(*) FROM (
      SELECT sum(octet_length(payload)) OVER (ORDER BY idx ROWS UNBOUNDED PRECEDING) AS bytes FROM bel_events
      WHERE graph_id = (SELECT graph_id FROM bel_head WHERE graph = $1) AND idx > $2 AND idx <= $3
    ) AS sized
    WHERE bytes <= $4
  ))
END
ORDER BY idx
