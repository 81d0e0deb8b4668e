-- The newest migration applied.
SELECT coalesce(max(version), 0) FROM bel_migrations
