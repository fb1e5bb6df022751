-- How many jobs of the value $2 are started in its turn ($3). No row: the queue is not fair. A weight of one is kept as well: it is what nobody need look up.
insert into jobs.fair_weight (queue, value, weight)
select f.name, jobs.gate_key(json_build_object('v', $2::text), '{v}'), $3 from jobs.fair_queue f where f.name = $1 and f.key is not null
on conflict (queue, value) do update set weight = excluded.weight
returning weight
