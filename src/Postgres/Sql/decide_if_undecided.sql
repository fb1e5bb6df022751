-- The first decision stands. Says which that is; nothing if another one was committed while this waited for it: ask again.
with mine as (
  insert into jobs.transaction_decision (transaction_id, decision, reason) values ($1, $2, $3) on conflict do nothing returning decision, reason
)
select decision, reason from mine
union all
select d.decision, d.reason from jobs.transaction_decision d where d.transaction_id = $1 and not exists (select from mine)
