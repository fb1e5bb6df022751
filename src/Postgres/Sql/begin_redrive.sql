insert into jobs.redrive (id, by, reason, rate) values ($1, $2, $3, $4) returning created_at
