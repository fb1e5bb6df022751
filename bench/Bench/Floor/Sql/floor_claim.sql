update bench_floor.job set state = 1, attempt = attempt + 1 where id = any($1) and state = 0
returning id, attempt, args
