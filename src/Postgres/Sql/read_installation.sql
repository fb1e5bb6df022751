-- What tells this installation from another one whose schema has the same name: when its schema was made.
select to_char(m.applied_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') from jobs.migration m where m.version = 1
