-- Held by the session's own connection for as long as the process lives. False: the server has not noticed yet that an earlier connection is gone.
select pg_try_advisory_lock($1)
