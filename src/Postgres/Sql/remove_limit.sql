-- Removes the rule $1; see 0014_limits.sql. False: there is none.
select jobs.remove_limit($1)
