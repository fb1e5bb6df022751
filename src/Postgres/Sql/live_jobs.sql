select j.id from jobs.job j where j.id = any($1::uuid[])
