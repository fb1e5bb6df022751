delete from jobs_participant.branch where gid = any($1)
