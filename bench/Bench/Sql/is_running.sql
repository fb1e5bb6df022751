select exists (select from jobs.job where state = 'running')
