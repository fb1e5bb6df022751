-- In a participant's own database: what this installation has prepared there for over $2 seconds. For a user who may look.
select p.gid, extract(epoch from now() - p.prepared)::float8 from pg_prepared_xacts p
where p.database = current_database() and starts_with(p.gid, $1) and p.prepared <= now() - $2 * interval '1 second' order by p.prepared
