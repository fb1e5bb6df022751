insert into bench_floor.job (id, state, attempt, args)
select t.id, 0, 0, t.args from unnest($1::uuid[], $2::json[]) as t (id, args)
