with ended as (
  delete from bench_floor.job where id = any($1) and state = 1
  returning id, attempt, args
)
insert into bench_floor.history (id, attempt, ended_at, args) select id, attempt, now(), args from ended
