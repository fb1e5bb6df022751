insert into bench_floor.decision (id) values ($1)
