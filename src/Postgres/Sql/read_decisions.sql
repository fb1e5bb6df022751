-- What was decided of each of these transactions, all as of one instant: null where nothing is; and whether it is known at all, and has ended.
select w.id, t.id is not null, d.decision = 'commit', t.ended_at is not null
from unnest($1::uuid[]) w (id)
left join jobs.transaction t on t.id = w.id
left join jobs.transaction_decision d on d.transaction_id = w.id
