-- The builds of a definition are found by their own table, whose rows stay as they are: a job is written anew whenever
-- its status changes, and each time its definition took room and time in an index. What is older than this writes no
-- definition and is refused, so that no build is lost from sight.
drop index jobs_definition;
create table builds_anew (
    job integer primary key,
    definition text not null,
    recipe text,
    config text,
    dependency_builds text,
    cleanup text,
    cleanup_at integer,
    cleanup_error text,
    log_pruned integer not null default 0
) strict;
insert into builds_anew
select b.job, j.definition, recipe, config, dependency_builds, cleanup, cleanup_at, cleanup_error, log_pruned
from builds b join jobs j on j.id = b.job where j.definition is not null;
drop table builds;
alter table builds_anew rename to builds;
create index builds_definition on builds (definition, job);
create index builds_cleanup on builds (job) where cleanup is not null;
