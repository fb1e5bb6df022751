-- Lines of attempts, a row each for all that an attempt has written since the last time.
insert into jobs.log (job, attempt, seq, lines)
select t.job, t.attempt, t.seq, t.lines from unnest($1::uuid[], $2::integer[], $3::integer[], $4::json[]) as t (job, attempt, seq, lines)
