create table account (id integer primary key, balance bigint not null) with (fillfactor = 50);
insert into account select n, 1000000 from generate_series(1, 100000) n
