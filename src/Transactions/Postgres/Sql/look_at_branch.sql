-- What is known of a branch: whether it is prepared in this database, whether its row is there for all to see, and whether that is a tombstone.
select exists (select from pg_catalog.pg_prepared_xacts p where p.gid = $1 and p.database = current_database()), b.gid is not null, b.aborted_at is not null
from (select) one left join jobs_participant.branch b on b.gid = $1
