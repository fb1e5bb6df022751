-- Up to $1 gates about which there is nothing to remember, see 0015_limit_rules.sql.
select jobs.forget_gates($1)
