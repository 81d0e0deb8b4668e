-- An import may take longer than one call usually does; the client watches its progress.
BEGIN; SET LOCAL statement_timeout = '10min'
