-- What time it is for everybody.
select now()
