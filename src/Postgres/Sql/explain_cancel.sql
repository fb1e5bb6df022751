-- Whether an end of this running attempt was asked for, and its worker has not heard of it yet.
select r.requested_at from jobs.cancel_request r where r.job = $1 and r.session = $2
