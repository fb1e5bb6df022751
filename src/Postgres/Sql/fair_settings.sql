-- Fair queues, with a line for each weight that was set, or one without any.
select f.name, array_to_string(f.key, '.'), w.value, w.weight from jobs.fair_queue f left join jobs.fair_weight w on w.queue = f.name where f.key is not null order by f.name, w.value
