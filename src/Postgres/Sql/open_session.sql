insert into jobs.session (id, lock_key, process_id, host, roles, queues, types, slots) values ($1, $2, $3, $4, $5, $6, $7, $8)
