-- $1 graph, $2 epoch, $3 floor. NULL: another writer took over, or there are events.
SELECT bel_begin_at($1, $2, $3)
