-- How many rows an index reaches, counted no further than $1. Without an order, so that the planner has no other way than that index.
select count(*) from (select from {table} where {reach} limit $1) reached
