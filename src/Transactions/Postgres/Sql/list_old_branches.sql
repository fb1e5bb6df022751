-- A page of the branches whose row was written more than $1 days ago, after the one of the page before ($2, $3).
select b.gid, b.at from jobs_participant.branch b
where b.at < now() - make_interval(days => $1) and (b.at, b.gid) > ($2, $3) and starts_with(b.gid, $4)
order by b.at, b.gid limit $5
