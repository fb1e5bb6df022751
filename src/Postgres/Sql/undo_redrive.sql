-- From here on it makes no new lives: a statement of it that is under way holds the row. No row: there is no such redrive.
update jobs.redrive set undone_at = coalesce(undone_at, now()), undone_by = coalesce(undone_by, $2) where id = $1 returning created_at
