insert into jobs.queue (name, ageing_seconds) values ($1, $2) on conflict (name) do update set ageing_seconds = excluded.ageing_seconds
