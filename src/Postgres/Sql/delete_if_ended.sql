-- Of the next $2 ended jobs below $1: gone, but for those whose followers have not been told yet, and those that an open batch counts.
with page as materialized (
  select id from jobs.history where id < $1 and {ended} order by id desc limit $2
), mine as materialized (
  select id, state, ended_at from jobs.history
  where id = any(array(select page.id from page)) and {ended}
    and (select 1 from jobs.edge e where e.parent = history.id and e.held_at is null limit 1) is null
    and (select 1 from jobs.batch b where b.id = history.batch and b.completed_at is null limit 1) is null
  order by id for update of history
), deleted as (
  delete from jobs.history h using mine m where h.id = m.id and h.state = m.state and h.ended_at = m.ended_at
  returning h.id
)
select id, 'done', 0, null, null, null, null::uuid, false, null::uuid from deleted
union all
select p.id, 'left', 0, null, null, null, null, false, null from page p where p.id not in (select mine.id from mine)
