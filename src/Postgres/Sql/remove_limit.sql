-- Removes the rule $1; see 0015_limit_rules.sql. False: there is none.
select jobs.remove_limit($1)
