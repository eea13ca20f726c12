-- name: add
insert into events (at, kind, user, job, definition, machine, data)
values (:at, :kind, :user, :job, :definition, :machine, :data)

-- name: add_starts
-- Of jobs that have just begun, on the machine that has them or that of their worker; the user is who began by hand.
insert into events (at, kind, user, job, definition, machine)
select :now, 'start', :user, j.id, j.definition, coalesce(j.machine, w.machine)
from json_each(:ids) as given join jobs j on j.id = given.value left join workers w on w.id = j.worker
order by given.key

-- name: delete_old
-- Looks at the first rows only: ids grow with time.
delete from events where id in (
    select id from (select id, at from events order by id limit :limit) where at < :before)

-- name: count_old
select count(*) from events where at < :before
