-- Permits of a limit for an app, see 0016_permits.sql.
select said, granted, wait, valid, most, counts from jobs.take_permits($1, $2, $3, $4, $5, $6, $7, $8, $9)
