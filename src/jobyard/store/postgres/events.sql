-- name: add
insert into main.events (at, kind, "user", job, definition, machine, data)
select * from unnest(
    :at::bigint[], :kind::text[], :user::text[], :job::bigint[], :definition::text[], :machine::text[], :data::text[])

-- name: delete_old
-- Looks at the first rows only: ids grow with time.
delete from main.events where id in (
    select id from (select id, at from main.events order by id limit :limit) as first where at < :before)

-- name: count_old
select count(*) from main.events where at < :before
