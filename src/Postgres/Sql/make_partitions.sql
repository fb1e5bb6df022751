select jobs.make_partitions($1 * interval '1 day')
