-- A worker met the marker that was sent at $2: every ticket sent before it has been delivered to someone. Guard: such a marker was sent; one from the
-- future, which anybody could publish, would have every ticket sent again and again.
update jobs.queue set swept_to = to_timestamp($2), swept_at = now()
where name = $1 and to_timestamp($2) <= marker_at and (swept_to is null or swept_to < to_timestamp($2))
