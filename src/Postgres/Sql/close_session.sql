delete from jobs.session where id = $1
