-- Up to $1 words of progress that are a week old. By the key, which begins with the time of the id: what was said last week is about a job that was made before ($2).
with old as materialized (
  select p.job from jobs.progress p where p.job < $2 and p.at < now() - interval '7 days' order by p.job limit $1 for update skip locked
)
delete from jobs.progress p using old where p.job = old.job
