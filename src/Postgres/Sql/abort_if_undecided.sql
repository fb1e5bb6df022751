-- Decides to abort, with the record of who did. Guard: the first decision stands, and then this writes nothing.
with mine as (
  insert into jobs.transaction_decision (transaction_id, decision, reason) select t.id, 'abort', $2 from jobs.transaction t where t.id = $1
  on conflict do nothing returning transaction_id
)
insert into jobs.transaction_order (transaction_id, verb, by, reason) select m.transaction_id, 'abort', $3, $4 from mine m
