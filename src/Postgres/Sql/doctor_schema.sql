-- An error when the schema is not there.
select coalesce(max(m.version), 0) from jobs.migration m
