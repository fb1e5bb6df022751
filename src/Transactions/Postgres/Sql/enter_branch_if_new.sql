-- The row that a prepare and an abort of one branch compete for, written as part of the branch's own work. Returns the transaction that it is part of; nothing if the row is there.
insert into jobs_participant.branch (gid) values ($1) on conflict (gid) do nothing returning pg_current_xact_id()::text
