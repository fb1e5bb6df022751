-- Of the next $3 live jobs above $2 those of the queue $1 that wait are given their value. The last one looked at.
select jobs.fill_fair($1, $2, $3)
