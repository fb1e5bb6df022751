-- Session $2 waits for the end of transaction $1, and is told by whoever ends it. To be committed before the look that finds it still live.
insert into jobs.watch (job, session) values ($1, $2) on conflict do nothing
