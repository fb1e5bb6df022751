-- Whoever has seen a higher fence refuses a lower one. Holds the row until the caller's commit, so that two calls of one branch are decided one after the other.
insert into jobs.branch_fence as f (key, fence) values ($1, $2)
on conflict (key) do update set fence = excluded.fence, at = now() where f.fence <= excluded.fence
returning 1
