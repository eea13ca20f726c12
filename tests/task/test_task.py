"""A task can be called as before, and makes jobs."""

import asyncio
import inspect
import sys
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType

import pytest
from tests.task.yards import Desk

from jobyard import errors
from jobyard.model.job import Job
from jobyard.model.modules import module_name
from jobyard.model.newjob import SUCCESS, JobOptions, accepted_bits
from jobyard.model.op import Op
from jobyard.model.references import Ref, retval
from jobyard.model.retry import Retry

SUCCEEDED = accepted_bits({"succeeded"})


def thumbnail(path: str, width: int = 200) -> str:
    """Make it small."""
    return f"{path}@{width}"


async def fetch(url: str) -> str:
    return f"fetched {url}"


@dataclass
class Report:
    month: int
    title: str = "untitled"
    queue: str = "a field, not an option"

    def run(self) -> str:
        return f"{self.title} {self.month}"


@dataclass
class Download:
    url: str

    async def run(self) -> str:
        return self.url


def task(function=thumbnail, **options):
    return Desk().task(**options)(function)


def job(id: int) -> Job:
    return Job("default", id, [Op("t")])


def test_a_function_is_called_as_before():
    made = task()

    assert made("cat.png", width=100) == "cat.png@100"
    assert made.function("cat.png") == "cat.png@200"
    assert not made.is_async


def test_an_async_function_gives_its_coroutine():
    made = task(fetch)

    assert asyncio.run(made("x")) == "fetched x"
    assert asyncio.run(made.function("x")) == "fetched x"
    assert made.is_async


def test_a_class_makes_its_instance_and_runs_when_a_worker_calls_it():
    made = task(Report)

    assert made(5) == Report(5)
    assert made.function(5, title="Sales") == "Sales 5"
    assert (made.is_class, made.is_async) == (True, False)
    assert made.queue == "default"


def test_a_class_may_run_in_the_event_loop():
    made = task(Download)

    assert made.is_async
    assert asyncio.run(made.function("x")) == "x"


def test_a_task_looks_like_its_function():
    made = task()

    assert made.__doc__ == "Make it small."
    assert made.__name__ == "thumbnail"
    assert inspect.signature(made) == inspect.signature(thumbnail)
    assert repr(made) == f"<Task {__name__}:thumbnail>"


def test_the_name_is_module_and_qualname_unless_given():
    assert task().name == f"{__name__}:thumbnail"
    assert (task(Report).module, task(Report).qualname) == (__name__, "Report")
    assert task(name="thumb").name == "thumb"


@pytest.mark.parametrize(
    ("spec", "file", "expected"),
    [("shop.jobs", "/srv/shop/jobs.py", "shop.jobs"), (None, "/srv/shop/run.py", "run"), (None, None, "__main__")],
)
def test_a_script_is_named_as_others_import_it(monkeypatch, spec, file, expected):
    main = ModuleType("__main__")
    main.__spec__ = spec and ModuleType(spec) and type("Spec", (), {"name": spec})()
    main.__file__ = file
    monkeypatch.setitem(sys.modules, "__main__", main)

    assert module_name("__main__") == expected
    assert module_name("shop.jobs") == "shop.jobs"


def generates():
    yield 1


async def generates_later():
    yield 1


class Idle:
    pass


class Lazy:
    def run(self):
        yield 1


@pytest.mark.parametrize("wrong", [generates, generates_later, Idle, Lazy, 5, Report(1)])
def test_what_cannot_be_a_task_is_refused(wrong):
    with pytest.raises(errors.UsageError, match=r"generator|run|task"):
        task(wrong)


@pytest.mark.parametrize("option", [{"every": "1h"}, {"cron": "0 3 * * *"}])
def test_a_schedule_gives_no_arguments(option):
    def full(a, b=1): ...

    with pytest.raises(errors.UsageError, match=f"'full' has {next(iter(option))}=.*'a' has no default"):
        task(full, name="full", **option)

    assert task(lambda a=1, *rest, **more: a, name="free", **option).name == "free"


def test_a_task_is_not_decorated_twice():
    with pytest.raises(errors.UsageError, match="already"):
        task(task())


def test_new_has_the_call_and_stores_nothing():
    desk = Desk()
    made = desk.task(queue="images", priority=3, title="Thumbnails", retry=5)(thumbnail)

    new = made.new("cat.png", width=100)

    assert [(op.task, op.args, op.refs) for op in new.ops] == [(made.name, '[["cat.png"],{"width":100}]', [])]
    assert (new.queue, new.priority) == ("images", 3)
    assert new.options == JobOptions(title="Thumbnails")
    assert desk.taken == []


def test_jobs_of_one_task_share_nothing_that_a_caller_might_change():
    made = task()

    first, second = made.new("a"), made.new("b")
    first.ops.clear()
    first.after.append((1, SUCCESS))
    first.queue = "elsewhere"

    for other in (second, made.new("c")):
        assert (other.queue, len(other.ops), other.after) == ("default", 1, [])


def test_enqueue_hands_the_job_and_the_connection_over():
    desk = Desk()
    made = desk.task()(thumbnail)
    connection = object()

    made.enqueue("a")
    asyncio.run(made.using(connection=connection).aenqueue("b"))

    assert [(new.ops[0].args, given) for new, given in desk.taken] == [('[["a"]]', None), ('[["b"]]', connection)]


def test_a_parameter_may_have_any_name():
    made = Desk().task(name="odd")(lambda self, queue, args: (self, queue, args))

    assert made(self=1, queue=2, args=3) == (1, 2, 3)
    assert made.new(self=1, queue=2, args=3).ops[0].args == '[[],{"self":1,"queue":2,"args":3}]'


def test_bad_arguments_are_refused_before_anything_is_stored():
    desk = Desk()
    made = desk.task(name="thumb")(thumbnail)

    with pytest.raises(errors.BadArguments, match=r"thumb: .*width"):
        made.enqueue("cat.png", width="wide")

    assert desk.taken == []


def test_using_changes_the_options_of_a_copy():
    made = task(queue="images", priority=1, title="Thumbnails")

    other = made.using(queue="slow", priority=-5).using(title="Slow ones", retry=3)

    assert (other.queue, other.priority, other.title) == ("slow", -5, "Slow ones")
    new = other.new("a")
    assert (new.queue, new.priority) == ("slow", -5)
    assert new.options == JobOptions(title="Slow ones", retry=Retry(3))
    assert (made.queue, made.priority, made.new("a").queue) == ("images", 1, "images")
    assert other("a") == "a@200"


def test_a_memory_limit_of_a_call_needs_a_process():
    with pytest.raises(errors.UsageError, match="isolation"):
        task().using(memory_limit="1G")

    assert task(isolation="process").using(memory_limit="1G").new("a").options == JobOptions(memory_limit=2**30)
    assert task().using(memory_limit="1G", isolation="process").call.memory_limit == 2**30


def test_new_refuses_a_connection_that_would_be_forgotten():
    with pytest.raises(errors.UsageError, match="connection="):
        task().using(connection=object()).new("a")


def test_a_job_among_the_arguments_is_waited_for_until_it_succeeds():
    made = task()

    new = made.using(after=[job(7), 8]).new(job(7), width=retval(job(9)))

    assert new.ops[0].refs == [Ref([0], job=7), Ref(["width"], job=9)]
    assert new.after == [(7, SUCCEEDED), (8, SUCCESS), (9, SUCCEEDED)]
    assert made.new("a").after == []


def test_a_place_in_the_batch_is_kept_as_it_is():
    new = task().new(retval(-1))

    assert (new.ops[0].refs, new.after) == ([Ref([0], job=-1)], [(-1, SUCCEEDED)])


def test_the_only_op_of_a_job_has_no_op_before_it():
    with pytest.raises(errors.BadArguments, match=r"retval\(op=0\)"):
        task().new(retval(op=0))


def test_a_unique_text_is_the_key():
    new = task(unique="nightly").new("a")

    assert (new.unique, new.unique_for) == ("nightly", "finish")


def test_a_unique_call_is_known_by_task_and_arguments():
    made = task(name="thumb", unique=True)

    key = made.new("a", width=100).unique

    assert key.startswith("thumb:")
    assert made.new(width=100, path="a").unique == key
    assert made.new("a", width=101).unique != key
    assert task(name="other", unique=True).new("a", width=100).unique != key
    assert made.new("a").unique == made.new("a", 200).unique


def test_a_callable_makes_the_key_of_the_arguments():
    made = task(unique=lambda path, width=200: f"{path}!" if width else None)

    assert made.new("a").unique == "a!"
    assert made.new("a", width=0).unique is None


def test_a_call_can_be_unique_or_not_whatever_the_task_says():
    assert task(unique=True).using(unique=False).new("a").unique is None
    assert task().using(unique="one", unique_for="start").new("a").unique == "one"


@pytest.mark.parametrize("key", ["", "a\0b", "x" * 1001])
def test_a_made_key_must_be_storable(key):
    with pytest.raises(errors.BadArguments, match="unique="):
        task(unique=lambda *args, **kwargs: key).new("a")


def test_an_op_keeps_its_call_and_its_own_priority():
    made = task(name="thumb", priority=4)

    op = made.using(priority=-3).op("a", width=1)

    assert (op.task, op.args, op.kwargs, op.priority) == ("thumb", ("a",), {"width": 1}, -3)
    assert (op.new.args, op.new.priority) == ('[["a"],{"width":1}]', -3)
    assert (made.op("a").priority, made.op("a").new.priority) == (4, None)


@pytest.mark.parametrize(
    "option", [{"queue": "q"}, {"due": timedelta(1)}, {"after": [1]}, {"unique": True}, {"token": "t"}, {"tags": ["x"]}]
)
def test_an_op_takes_no_options_of_a_whole_job(option):
    [name] = option

    with pytest.raises(errors.UsageError, match=f"{name}= belongs to the job"):
        task().using(**option).op("a")
