-- Its jobs and its ledger stay.
delete from jobs.schedule where name = $1 returning name
