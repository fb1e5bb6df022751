select w.kind, w.name, w.worker, w.slots, w.at, w.by, w.reason from jobs.worker_setting w order by w.kind, w.name, w.worker
