-- What became of the new lives of a redrive (the tag $1) that were started: how many run or are to run again, and how many have ended.
select
  (select count(*) from jobs.job where tags @> array[$1] and attempt > 0),
  (select count(*) from jobs.history where tags @> array[$1] and attempt > 0)
