-- Quartz has a schema of its own beside ours; its tables are made by Quartz. The lock keeps two that start at once from both creating it.
do $$
declare
  name text := split_part('jobs.schedule', '.', 1) || '_quartz';
begin
  if to_regnamespace(name) is null then
    perform pg_advisory_xact_lock(hashtextextended(name, 0));
    execute format('create schema if not exists %I', name);
  end if;
end $$
