-- Numbers for the value $2 of the key of rule $1: slots $3, tokens $4; see 0015_limit_rules.sql.
select jobs.set_limit_key($1, $2, $3, $4)
