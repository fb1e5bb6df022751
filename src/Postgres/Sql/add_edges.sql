-- Who waits for whom, for children that have just been written (not for those an earlier try had written).
insert into jobs.edge (child, parent, effect)
select t.child, t.parent, t.effect from unnest($1::uuid[], $2::uuid[], $3::text[]) as t (child, parent, effect)
on conflict do nothing
