-- Nothing is added to it any more. No row: there is no such batch. Sealing twice changes nothing.
update jobs.batch set sealed_at = coalesce(sealed_at, now()) where id = $1
