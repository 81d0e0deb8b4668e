-- Bases of graph $1 before idx $3, if epoch $2 is still the writer's. First statement of two.
DELETE FROM bel_bases
WHERE graph_id = (SELECT graph_id FROM bel_head WHERE graph = $1 AND epoch = $2) AND idx < $3
