-- No row: nothing was stored for it.
delete from jobs.worker_setting w where w.kind = $1 and w.name = $2 and w.worker = $3
returning jobs.signal('slots ' || w.name)
