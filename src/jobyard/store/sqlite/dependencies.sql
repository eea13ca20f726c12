-- name: add
insert into dependencies (parent, child, accepted, open) values (:parent, :child, :accepted, :open)

-- name: close
-- The edges out of these parents that were open.
update dependencies set open = 0 where parent in (select value from json_each(:ids)) and open = 1
returning parent, child, accepted

-- name: set_open
update dependencies set open = :open where parent = :parent and child = :child

-- name: parents
select d.parent, d.accepted, d.open, j.status, j.task, j.queue
from dependencies d left join jobs j on j.id = d.parent
where d.child = :child order by d.parent

-- name: lock_parents
-- Differs from PostgreSQL, where the parents must be kept from ending: here the transaction is the only writer.
select parent from dependencies where child = :child order by parent

-- name: strays
-- Open edges whose parent has ended: made by a caller's transaction that overlapped the end of the parent.
select d.parent, j.status from dependencies d join jobs j on j.id = d.parent
where d.open = 1 and j.status >= 6 limit :limit

-- name: delete
delete from dependencies
where child in (select value from json_each(:ids)) or parent in (select value from json_each(:ids))
