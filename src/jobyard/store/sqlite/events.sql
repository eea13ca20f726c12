-- name: add
insert into events (at, kind, user, job, definition, machine, data)
values (:at, :kind, :user, :job, :definition, :machine, :data)

-- name: delete_old
-- Looks at the first rows only: ids grow with time.
delete from events where id in (
    select id from (select id, at from events order by id limit :limit) where at < :before)

-- name: count_old
select count(*) from events where at < :before
