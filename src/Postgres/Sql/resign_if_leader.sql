update jobs.leader set until = now() where name = 'scheduler' and session = $1
