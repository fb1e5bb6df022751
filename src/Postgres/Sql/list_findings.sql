select f.name, f.value, f.oldest, f.detail, f.at from jobs.finding f order by f.name
