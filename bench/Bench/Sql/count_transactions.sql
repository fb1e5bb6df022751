select count(*) from jobs.transaction where ended_at is not null
