"""
What the type checker makes of the public surface. Checked by mypy, never run.

An ignored error is a claim too: mypy complains where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from jobyard import (
    AsyncJob,
    AsyncYard,
    Change,
    Job,
    JobFinished,
    LogEntry,
    Reason,
    RemoteError,
    Retry,
    Status,
    Summary,
    Yard,
    ctx,
    retval,
)
from jobyard.testing import Clock, enqueued, run_now

yard = Yard()


@yard.task
def thumbnail(path: str, width: int = 200) -> str:
    return f"{path}@{width}"


@yard.task(queue="images", retry=Retry(attempts=5, delay=10), timeout="1m", unique=True)
def size(path: str) -> int:
    return len(path)


@yard.task(retry=True, isolation="process", memory_limit="512M")
async def fetch(url: str, *, tries: int = 1) -> bytes:
    return url.encode() * tries


@dataclass
class Report:
    month: int
    title: str = ""

    def run(self) -> list[str]:
        return [self.title] * self.month


@dataclass
class Download:
    url: str

    async def run(self) -> float:
        return 1.0


# mypy gives a decorated class the type of the class, so this is how a task of one is typed.
report = yard.task(queue="reports")(Report)
download = yard.task(Download)


def calling_is_as_before() -> None:
    assert_type(thumbnail("cat.png", width=100), str)
    assert_type(report(5).run(), list[str])
    thumbnail(3)  # type: ignore[arg-type]


def the_result_of_a_job_has_the_type_that_the_task_returns() -> None:
    assert_type(thumbnail.enqueue("cat.png", width=100), Job[str])
    assert_type(thumbnail.enqueue("cat.png").wait(timeout=30).result, str)
    assert_type(size.enqueue("cat.png").result, int)
    assert_type(fetch.enqueue("x", tries=2).result, bytes)
    assert_type(report.enqueue(5, title="Sales").result, list[str])
    assert_type(download.enqueue("x").result, float)


async def coroutines_get_the_same() -> None:
    assert_type(await thumbnail.aenqueue("cat.png"), Job[str])
    assert_type(await fetch.aenqueue("x"), Job[bytes])
    assert_type(await fetch("x"), bytes)


def arguments_are_those_of_the_task() -> None:
    thumbnail.enqueue(3)  # type: ignore[arg-type]
    thumbnail.enqueue("cat.png", width="wide")  # type: ignore[arg-type]
    thumbnail.enqueue("cat.png", height=1)  # type: ignore[call-arg]
    thumbnail.enqueue()  # type: ignore[call-arg]
    thumbnail.op(3)  # type: ignore[arg-type]
    thumbnail.new(3)  # type: ignore[arg-type]
    report.enqueue("May")  # type: ignore[arg-type]
    fetch.enqueue("x", 2)  # type: ignore[call-arg]


def using_keeps_the_types() -> None:
    other = thumbnail.using(queue="slow", priority=-5, due=timedelta(minutes=5)).using(retry=3, tags=["a"])
    assert_type(other.enqueue("cat.png").result, str)
    assert_type(other("cat.png"), str)
    other.enqueue(3)  # type: ignore[arg-type]


def options_have_types_too() -> None:
    job = thumbnail.enqueue("cat.png")
    thumbnail.using(after=[job, 7, -1], due=datetime.now(UTC), unique=lambda path, width=200: path, expires="1h")
    thumbnail.using(after={job: {"succeeded", "failed"}}, unique_for="start", token="t", requester="me", title="x")
    thumbnail.using(timeout=timedelta(minutes=1), unique_for=30, isolation="process", memory_limit=2**30)
    thumbnail.using(queue=3)  # type: ignore[arg-type]
    thumbnail.using(due=5)  # type: ignore[arg-type]
    thumbnail.using(isolation="thread")  # type: ignore[arg-type]
    thumbnail.using(colour="red")  # type: ignore[call-arg]
    yard.task(ack="never")  # type: ignore[call-overload]
    yard.task(colour="red")  # type: ignore[call-overload]


def a_result_as_an_argument_has_its_type() -> None:
    job = size.enqueue("cat.png")
    assert_type(retval(job), int)
    thumbnail.enqueue("cat.png", width=retval(job))
    thumbnail.enqueue(retval(job))  # type: ignore[arg-type]
    thumbnail.enqueue(retval(-1), width=retval(op=0))
    size.enqueue(retval("extract"))


def jobs_of_many_ops_and_many_jobs() -> None:
    job = yard.enqueue(size.op("a"), thumbnail.op("a", width=retval(op=0)), queue="images", due=timedelta(hours=1))
    new = [size.new("a"), yard.new(size.op("b"), after=[-1])]
    print(job.ops[0].result, [each.result for each in yard.enqueue_many(new)])


def jobs_are_found_and_steered() -> None:
    job = yard.job(1)
    assert_type(job.wait(timeout=5).status, Status)
    assert_type(job.cancel(), tuple[bool, str])
    assert_type(job.why(), list[Reason])
    assert_type(job.error, RemoteError | None)
    assert_type(job.get_log_entries(newer_than=3), list[LogEntry])
    assert_type(yard.jobs(status={"queued", Status.RUNNING}, since=datetime.now(UTC), limit=None), list[Job[Any]])
    assert_type(yard.queue("images", retry=3, timeout="5m", aging=None).counts, Mapping[Status, int])
    assert_type(yard.worker(["images"], concurrency=2).run_until_idle(), Summary)
    yard.jobs(order="name")  # type: ignore[arg-type]
    yard.jobs(colour="red")  # type: ignore[call-arg]
    yard.queue("images", retry="often")  # type: ignore[arg-type]
    job.change_priority("high")  # type: ignore[arg-type]
    if change := yard.wait_for_change(1, ["status"]):
        assert_type(change, Change)
    ctx.progress(1, total=3, group=("a", "b"))
    assert_type(list(ctx.track([1, 2])), list[int])


def work_on_machines() -> None:
    machine = yard.machines.online("build7", message="new")
    job = yard.workflow.new_job(yard.definitions.get("kernel"), interval="6h")
    assert_type(yard.workflow.start_job(job, machine), Job[Any])
    assert_type(yard.workflow.start_job(7, "build7"), Job[Any])
    assert_type(yard.workflow.get_job_for_machine("build7", 3, queue="imports"), Job[Any] | None)
    yard.workflow.finish_job(job, "success", b"all that was said")
    yard.workflow.start_job("7", machine)  # type: ignore[arg-type]
    yard.workflow.finish_job(job, 0)  # type: ignore[arg-type]
    yard.machines.offline("build7", reason=3)  # type: ignore[arg-type]


def subscribers_get_what_they_asked_for() -> None:
    @yard.on(JobFinished)
    def finished(happening: JobFinished) -> None:
        print(happening.job)

    yard.on(JobFinished)(finished)
    yard.on(int)  # type: ignore[type-var]


async def the_verbs_are_awaited() -> None:
    async with AsyncYard(yard) as awaited:
        job = await awaited.enqueue(size.op("a"), queue="images")
        assert_type(job, AsyncJob[Any])
        assert_type(AsyncJob(await size.aenqueue("a")), AsyncJob[int])
        assert_type((await AsyncJob(await size.aenqueue("a"))).result, int)
        assert_type(job.status, Status)
        assert_type(await job.cancel(), tuple[bool, str])
        assert_type(await awaited.jobs(), list[AsyncJob[Any]])
        async for ended in awaited.as_completed([job]):
            assert_type(ended, AsyncJob[Any])
        await awaited.enqueue(colour="red")  # type: ignore[call-arg]
        await awaited.jobs(limit="10")  # type: ignore[arg-type]


async def jobs_have_twins() -> None:
    job = await size.aenqueue("a")
    assert_type(await job, Job[int])
    assert_type(await job.await_(timeout=5), Job[int])
    assert_type(await job.aretry(), Job[int])
    assert_type(await job.acancel(), tuple[bool, str])


def tests_of_users() -> None:
    assert_type(run_now(yard), Summary)
    assert_type(enqueued(size), list[Job[Any]])
    with yard.at("sqlite:///test.db", clock=Clock()) as same:
        assert_type(same, Yard)
