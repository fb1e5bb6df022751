-- X6 of attempts that were told to come back later; guarded by state, attempt and session, see 0016_permits.sql.
select written, room, unknown from jobs.push_back($1, $2, $3, $4, $5)
