-- The state of a transaction, held until the commit: whoever else has a message about it waits. Not its key: a decision or an order from outside refers to it, holds the decision's row, and would wait for this
-- while this waits for that.
select t.name, t.mode, t.state, t.priority, t.deadline_at, t.decided_at, t.ended_at, t.reason, t.created_at, t.trace, clock_timestamp()
from jobs.transaction t where t.id = $1 for no key update
