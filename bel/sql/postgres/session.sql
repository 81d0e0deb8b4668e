-- Bounds of every session, and the settings that decide whether a commit is a commit. $1 milliseconds.
SELECT current_setting('synchronous_commit'), current_setting('fsync'),
       set_config('statement_timeout', $1, false), set_config('lock_timeout', $1, false),
       set_config('idle_in_transaction_session_timeout', $1, false)
