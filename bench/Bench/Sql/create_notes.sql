create table jobs.bench_note (key text primary key, text text not null)
