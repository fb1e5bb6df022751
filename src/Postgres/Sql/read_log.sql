-- The next rows of a job's log after line $3 of attempt $2, of one attempt ($4) or of all; written no earlier than $5, when the job was made.
select l.attempt, l.seq, l.lines
from jobs.log l
where l.job = $1 and (l.attempt, l.seq) > ($2, $3) and ($4::integer is null or l.attempt = $4) and l.at >= $5
order by l.attempt, l.seq limit $6
