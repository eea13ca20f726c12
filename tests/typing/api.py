"""
The public surface as a type checker sees it. Read by mypy and never run.

An ignore stands where the call must be refused: one that is not needed is an error of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_type

from jobyard import Job, Retry, Yard, retval

yard = Yard("sqlite:///shop.db", concurrency=4)


@yard.task(queue="images", retry=Retry(attempts=5, delay=10), timeout=60)
def thumbnail(path: str, width: int = 200) -> str:
    return f"{path}@{width}"


@yard.task()
async def fetch(url: str) -> bytes:
    return url.encode()


@yard.task(unique=True)
@dataclass
class Report:
    month: int

    def run(self) -> list[str]:
        return []


def a_task_can_still_be_called() -> None:
    assert_type(thumbnail("cat.png"), str)
    assert_type(Report(3).run(), list[str])
    thumbnail(3)  # type: ignore[arg-type]


def enqueue_takes_what_the_function_takes() -> None:
    assert_type(thumbnail.enqueue("cat.png", width=100), Job[str])
    assert_type(fetch.enqueue("https://example.org"), Job[bytes])
    assert_type(Report.enqueue(month=3), Job[list[str]])
    thumbnail.enqueue(3)  # type: ignore[arg-type]
    thumbnail.enqueue()  # type: ignore[call-arg]
    thumbnail.enqueue("cat.png", height=100)  # type: ignore[call-arg]


def other_options_keep_the_types() -> None:
    urgent = thumbnail.using(priority=-10, queue="now")

    assert_type(urgent.enqueue("cat.png"), Job[str])
    urgent.enqueue(3)  # type: ignore[arg-type]
    thumbnail.using(colour="red")  # type: ignore[call-arg]


def a_result_stands_in_for_a_value() -> None:
    job = fetch.enqueue("https://example.org")

    thumbnail.enqueue(retval(job))
    thumbnail.enqueue(job)  # type: ignore[arg-type]


def a_job_knows_the_type_of_its_result() -> None:
    job = thumbnail.enqueue("cat.png")

    assert_type(job.result, str)
    assert_type(job.wait(timeout=30).result, str)


async def the_awaited_ones_as_well() -> None:
    job = await thumbnail.aenqueue("cat.png")

    assert_type(job, Job[str])
    await thumbnail.aenqueue(3)  # type: ignore[arg-type]
