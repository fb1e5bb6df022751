insert into jobs.batch (id, on_success, on_failure, on_completion) values ($1, $2, $3, $4) on conflict do nothing
