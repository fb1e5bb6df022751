-- Where these jobs ($1) are in their lives, and when those that have ended did. History is looked at from $2 on.
select j.id, j.state::text, null::timestamptz as ended_at from jobs.job j where j.id = any($1::uuid[])
union all
select h.id, h.state::text, h.ended_at from jobs.history h where h.id = any($1::uuid[]) and h.ended_at >= $2
