-- One migrating process at a time; released with the transaction.
SELECT pg_advisory_xact_lock(x'646174616275696c'::bit(64)::bigint)
