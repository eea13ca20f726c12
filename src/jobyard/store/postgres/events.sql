-- name: add
insert into main.events (at, kind, "user", job, definition, machine, data)
select * from unnest(
    :at::bigint[], :kind::text[], :user::text[], :job::bigint[], :definition::text[], :machine::text[], :data::text[])

-- name: add_starts
-- Of jobs that have just begun, on the machine that has them or that of their worker; the user is who began by hand.
insert into main.events (at, kind, "user", job, definition, machine)
select :now, 'start', :user::text, j.id, j.definition, coalesce(j.machine, (select machine from main.workers where id = j.worker))
from json_array_elements_text(:ids::text::json) with ordinality as given (id, place)
cross join lateral (select * from main.jobs where id = given.id::bigint offset 0) as j
order by given.place

-- name: delete_old
-- Looks at the first rows only: ids grow with time.
delete from main.events where id in (
    select id from (select id, at from main.events order by id limit :limit) as first where at < :before)

-- name: count_old
select count(*) from main.events where at < :before
