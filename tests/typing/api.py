"""
What the type checker makes of the public surface. Checked by mypy, never run.

An ignored error is a claim too: mypy complains where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_type

from jobyard import Job, Retry, Yard, retval

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
