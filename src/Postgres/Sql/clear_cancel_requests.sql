-- Requests whose job has ended, however it did.
delete from jobs.cancel_request r where not exists (select from jobs.job j where j.id = any(array[r.job]))
