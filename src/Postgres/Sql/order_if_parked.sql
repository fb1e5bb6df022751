-- An order for each parked branch, or for one of them. Guard: the branch is parked, and the order is void once it was asked for something else.
insert into jobs.transaction_order (transaction_id, verb, branch, round, by, reason)
select b.transaction_id, $3, b.number, b.round, $4, $5 from jobs.transaction_branch b
where b.transaction_id = $1 and b.state = 'parked' and ($2::integer is null or b.number = $2) order by b.number
returning branch
