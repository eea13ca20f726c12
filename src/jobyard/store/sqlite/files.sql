-- name: put
insert into files (job, data, at) values (:job, :data, :now)
on conflict (job) do update set data = excluded.data, at = excluded.at

-- name: get
select data from files where job = :job

-- name: delete_of
delete from files where job in (select value from json_each(:ids))
