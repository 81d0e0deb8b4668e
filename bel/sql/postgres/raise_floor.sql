-- $1 graph, $2 epoch, $3 new floor. Segments removed; NULL: another writer took over.
SELECT bel_raise_floor($1, $2, $3)
