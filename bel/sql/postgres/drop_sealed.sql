-- $1 graph, $2 epoch. Rows removed; NULL: another writer took over.
SELECT bel_drop_sealed($1, $2)
