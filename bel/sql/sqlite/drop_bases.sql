-- Bases of graph_id ?1 before idx ?2.
DELETE FROM bel_bases WHERE graph_id = ?1 AND idx < ?2
