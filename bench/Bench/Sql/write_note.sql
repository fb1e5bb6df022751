insert into jobs.bench_note (key, text) values ($1, $2) on conflict do nothing
