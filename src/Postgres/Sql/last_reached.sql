-- The id of the last of the $1 + 1 newest rows that an index reaches, which is as far as a page has looked; none where it looked at all there are.
select id from {table} where {reach} order by id desc offset $1 limit 1
