-- name: add
insert into events (at, kind, user, job, definition, machine, data)
values (:at, :kind, :user, :job, :definition, :machine, :data)

-- name: delete
delete from events where id in (select id from events where at < :before order by id limit :limit)

-- name: count_old
select count(*) from events where at < :before
