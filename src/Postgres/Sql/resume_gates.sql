-- Ends the pauses of rule $1, or that for the value $2 of its key; see 0015_limit_rules.sql.
select jobs.resume_gates($1, $2)
