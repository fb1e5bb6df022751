select count(*) from jobs.watch
