-- Who led last; whether it still does.
select l.session, l.until > now(), extract(epoch from now() - l.until)::float8 from jobs.leader l where l.name = 'scheduler'
