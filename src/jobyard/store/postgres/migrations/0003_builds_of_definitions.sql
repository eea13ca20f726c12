-- The builds of a definition are found by their own table, whose rows stay as they are: a job is written anew whenever
-- its status changes, and each time its definition took room and time in an index. What is older than this writes no
-- definition and is refused, so that no build is lost from sight.
drop index main.jobs_definition;
alter table main.builds add column definition text collate "C";
update main.builds set definition = (select definition from main.jobs where id = job);
delete from main.builds where definition is null;
alter table main.builds alter column definition set not null;
create index builds_definition on main.builds (definition, job);
