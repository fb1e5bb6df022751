-- The tombstone: no prepare of this branch can succeed from here on.
insert into jobs_participant.branch (gid, aborted_at) values ($1, now()) on conflict (gid) do nothing
