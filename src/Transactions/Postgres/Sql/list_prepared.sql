-- What is prepared in this database by one installation, oldest first, and for how long it has been. $1 is the beginning of its gids.
select p.gid, extract(epoch from clock_timestamp() - p.prepared)::double precision
from pg_catalog.pg_prepared_xacts p
where p.database = current_database() and starts_with(p.gid, $1)
order by p.prepared
