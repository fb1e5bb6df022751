-- Up to $1 keys whose time is over. One that is being taken anew just now is skipped.
with over as materialized (
  select k.key from jobs.held_key k where k.until <= now() order by k.until limit $1 for update skip locked
)
delete from jobs.held_key k using over where k.key = over.key and k.until <= now()
