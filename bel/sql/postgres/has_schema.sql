-- Whether Initialize ever ran here.
SELECT to_regclass('bel_migrations') IS NOT NULL
