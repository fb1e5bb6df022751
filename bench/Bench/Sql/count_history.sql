select count(*) from jobs.history
