select count(*) from jobs.job
