-- The rule $1 as a process declares it; see 0015_limit_rules.sql.
select jobs.declare_limit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
