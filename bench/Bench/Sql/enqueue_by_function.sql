select jobs.enqueue('bench.noop', '{"text":"a text of about fifty bytes, as in the other figures"}') from generate_series(1, $1)
