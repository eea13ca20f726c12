"""Exceptions and live stacks as data."""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import pytest
from rich.console import Console

from jobyard.model.states import Status
from jobyard.model.traceback import RemoteError, StackTrace, capture, capture_stack, class_names, encode, render_stack


def caught(function: Callable[..., Any], *args: Any) -> BaseException:
    try:
        function(*args)
    except BaseException as exc:
        return exc
    raise AssertionError("nothing was raised")


def remote(exc: BaseException, **options: Any) -> RemoteError:
    return RemoteError.from_json(encode(capture(exc, **options)))


def in_terminal(value: object, width: int = 100) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as output:
        console.print(value)
    return output.get()


def divide(number: int) -> float:
    other = [number]
    return (number + 1) / (other[0] - number)


def chained(number: int) -> None:
    try:
        divide(number)
    except ZeroDivisionError as exc:
        raise ValueError("bad number") from exc


def in_handling() -> None:
    try:
        divide(1)
    except ZeroDivisionError:
        int("x")


def from_none() -> None:
    try:
        divide(1)
    except ZeroDivisionError:
        raise KeyError("hidden") from None


def grouped() -> None:
    errors = [ValueError("one"), caught(divide, 2), ExceptionGroup("inner", [caught(chained, 3), OSError(2, "gone")])]
    raise ExceptionGroup("many", errors)  # type: ignore[type-var]


def group_as_cause() -> None:
    try:
        grouped()
    except ExceptionGroup as exc:
        raise RuntimeError("after the group") from exc


def wide_group() -> None:
    raise ExceptionGroup("wide", [ValueError(n) for n in range(17)])


def noted() -> None:
    error = ValueError("noted")
    error.add_note("first\nof two lines")
    error.add_note("second")
    raise error


def bad_syntax() -> None:
    compile("x = [1,\n  y z]\n", "made_up.py", "exec")


def bad_token() -> None:
    compile("x = 1 +\n", "made_up.py", "exec")


def without_message() -> None:
    raise LookupError


@pytest.mark.parametrize(
    "function",
    [in_handling, from_none, grouped, group_as_cause, wide_group, noted, bad_syntax, bad_token, without_message],
)
def test_the_text_is_what_python_prints(function: Callable[[], None]) -> None:
    exc = caught(function)

    expected = "".join(traceback.format_exception(exc))
    assert expected == remote(exc).traceback(show_locals=False) + "\n"


def test_a_chain_is_kept_and_printed_as_python_does() -> None:
    exc = caught(chained, 1)

    error = remote(exc)

    assert "".join(traceback.format_exception(exc)) == error.traceback(show_locals=False) + "\n"
    assert "ZeroDivisionError: division by zero" not in error.traceback(chain=False)
    assert error.cause is not None
    assert error.cause.summary == "ZeroDivisionError: division by zero"
    assert error.context is None  # it is the cause


def test_a_repeated_frame_is_counted() -> None:
    exc = caught(recurse, 10, "")

    assert "[Previous line repeated 7 more times]" in str(remote(exc))
    assert "".join(traceback.format_exception(exc)) == remote(exc).traceback(show_locals=False) + "\n"


def test_an_error_has_its_type_message_and_arguments() -> None:
    error = remote(ValueError("bad", 3, {"a": [None, 1.5]}))

    assert error.type == "ValueError"
    assert error.message == "('bad', 3, {'a': [None, 1.5]})"
    assert error.args == ("bad", 3, {"a": [None, 1.5]})
    assert error.summary == "ValueError: ('bad', 3, {'a': [None, 1.5]})"


def test_arguments_that_are_not_plain_json_are_reprs() -> None:
    assert remote(ValueError("bad", (1, 2))).args == ("'bad'", "(1, 2)")


def test_a_class_of_a_module_is_named_with_it() -> None:
    class Odd(Exception):
        pass

    assert f"{__name__}.{Odd.__qualname__}" == remote(Odd()).type
    assert [f"{__name__}:{Odd.__qualname__}", "builtins:Exception", "builtins:BaseException"] == class_names(Odd())


def test_a_frame_has_source_context_and_locals() -> None:
    frame = remote(caught(divide, 1)).frames[-1]

    assert (__file__, "divide") == (frame.file, frame.function)
    assert frame.code[0] == "return (number + 1) / (other[0] - number)"
    assert "    other = [number]" in frame.context
    assert frame.code[0] == frame.context[frame.line - frame.context_start].strip()
    assert frame.locals == {"number": "1", "other": "[1]"}


def test_the_text_has_the_locals_under_their_frame() -> None:
    text = str(remote(caught(divide, 1)))

    assert "    number = 1\n    other = [1]\nZeroDivisionError" in text


def test_locals_of_a_module_are_its_data_only() -> None:
    source = "import os\nfrom json import dumps\nlimit = 3\ndef function(): pass\nclass Thing: pass\nlimit / 0"

    error = remote(caught(exec, compile(source, "made_up.py", "exec"), {}))

    assert error.frames[-1].locals == {"limit": "3"}


class BadRepr:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error


class BadStr(Exception):
    def __str__(self) -> str:
        raise KeyError("in str")


@pytest.mark.parametrize("error", [ValueError(), SystemExit(1), KeyboardInterrupt(), RecursionError()])
def test_a_repr_that_raises_is_named_instead(error: BaseException) -> None:
    def fail(bad: BadRepr) -> None:
        nested = {"inner": [bad]}
        raise ValueError(nested and "x")

    values = remote(caught(fail, BadRepr(error))).frames[-1].locals

    assert f"BadRepr: its repr raised {type(error).__name__}>" in values["bad"]
    assert "'inner': [<" in values["nested"]


def test_an_error_whose_str_raises_has_a_message_that_says_so() -> None:
    assert "BadStr: its str raised KeyError>" in remote(BadStr()).message


class BadClass:
    @property
    def __class__(self) -> type:  # type: ignore[override]
        raise OSError("not even this")


class BadArgs(Exception):
    @property
    def args(self) -> Any:  # type: ignore[override]
        raise OSError("no arguments")


def test_an_error_that_cannot_be_looked_at_is_still_an_error() -> None:
    assert "BadArgs" in remote(BadArgs()).type
    assert "could not be captured" in remote(BadArgs()).message


def test_an_object_that_denies_its_class_spoils_nothing() -> None:
    def fail(odd: object, plain: int) -> None:
        raise ValueError("x")

    assert remote(caught(fail, BadClass(), 5)).frames[-1].locals["plain"] == "5"


@pytest.mark.parametrize(
    "value",
    ["x" * 10**7, b"x" * 10**7, list(range(10**6)), {n: n for n in range(10**5)}, 10**5000, [[["x" * 10**6] * 9] * 9]],
    ids=lambda value: type(value).__name__,
)
def test_huge_values_are_trimmed(value: object) -> None:
    def fail(huge: object) -> None:
        raise ValueError("x")

    assert len(remote(caught(fail, value)).frames[-1].locals["huge"]) < 410


class Proxy:
    """Says that it is a dict, as proxies do."""

    __class__ = dict  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<a proxy>"


@dataclass
class Customer:
    name: str
    password: str = "hunter2"
    tags: list[int] = field(default_factory=lambda: list(range(100)))


class Point(NamedTuple):
    x: int
    api_key: str


class Record(msgspec.Struct):
    id: int
    token: str | None = None


class Names(list[str]):
    pass


class Environment(dict[str, str]):
    pass


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Proxy(), "<a proxy>"),
        (Point(1, "hunter2"), "Point(x=1, api_key=***)"),
        (Record(1, "hunter2"), "Record(id=1, token=***)"),
        (Record(1), "Record(id=1, token=None)"),
        (Names(["a"]), "Names(['a'])"),
        (Environment(HOME="/", SECRET="hunter2"), "Environment({'HOME': '/', 'SECRET': ***})"),
        ((1,), "(1,)"),
        (set(), "set()"),
        (frozenset({1}), "frozenset([1])"),
        (deque([1, 2]), "deque([1, 2])"),
        (list(range(23)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, … 3 more]"),
        (KeyError("x", 1), "KeyError('x', 1)"),
        (Status.QUEUED, "<Status.QUEUED: 'queued'>"),
    ],
)
def test_reprs_of_containers_and_records(value: object, expected: str) -> None:
    def fail(value: object) -> None:
        raise ValueError("x")

    assert remote(caught(fail, value)).frames[-1].locals["value"] == expected


def test_a_dataclass_hides_its_secret_fields() -> None:
    def fail(account: Customer) -> None:
        raise ValueError("x")

    shown = remote(caught(fail, Customer("ann"))).frames[-1].locals["account"]

    assert shown.startswith("Customer(name='ann', password=***, tags=[0, 1")
    assert shown.endswith("… 80 more])")


def test_a_value_that_contains_itself_ends() -> None:
    loop: list[Any] = [1]
    loop.append(loop)

    def fail(value: object) -> None:
        raise ValueError("x")

    assert remote(caught(fail, loop)).frames[-1].locals["value"] == "[1, [1, [1, [1, [1, […]]]]]]"


def recurse(depth: int, filler: str) -> None:
    if depth == 0:
        raise ValueError("deep")
    recurse(depth - 1, filler)


def test_deep_recursion_keeps_the_outermost_and_innermost_frames() -> None:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(15_000)
    try:
        exc = caught(recurse, 10_000, "x" * 300)
    finally:
        sys.setrecursionlimit(before)

    text = encode(capture(exc))
    error = RemoteError.from_json(text)

    assert len(error.frames) == 50
    assert [frame.function for frame in error.frames[:2]] == ["caught", "recurse"]
    assert error.frames[-1].locals["depth"] == "0"
    assert [frame.skipped for frame in error.frames if frame.skipped] == [10_002 - 50]
    assert len(text) < 200_000
    assert "  [9952 frames left out]\n" in str(error)


def test_the_size_is_bounded_whatever_is_in_it() -> None:
    def fail(depth: int) -> None:
        wide = {f"name {n}": "\1" * 500 for n in range(100)}
        if depth:
            try:
                fail(depth - 1)
            except ValueError as exc:
                raise ExceptionGroup("\n" * 30_000, [exc] * 40) from exc
        raise ValueError("\1" * 100_000, wide)

    text = encode(capture(caught(fail, 3)))

    assert len(text) <= 200_000
    assert len(encode(capture(caught(fail, 3), max_size=2_000))) <= 2_000


def test_a_long_chain_keeps_the_newest_errors() -> None:
    exc: BaseException = ValueError(0)
    for number in range(1, 3_000):
        following = ValueError(number)
        following.__context__ = exc
        exc = following

    text = str(remote(exc))

    assert text.startswith("[earlier exceptions left out]\n\nValueError: 2980\n")
    assert text.endswith("ValueError: 2999")


def test_a_chain_that_loops_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__cause__ = second, first

    assert str(remote(first)).count("ValueError: second") == 1


@pytest.mark.parametrize(
    "name",
    ["password", "db_password", "userPasswd", "API_KEY", "apikey", "key", "ssh_key", "access_token", "secret",
     "Authorization", "auth", "cookies", "credentials", "session_id", "client_secret", "privateKey"],
)  # fmt: skip
def test_values_under_secret_names_are_masked(name: str) -> None:
    namespace = {name: "hunter2", "nested": {name: "hunter2", "list": [{name: b"hunter2"}]}}

    text = encode(capture(caught(exec, compile("1 / 0", "made_up.py", "exec"), namespace)))

    assert "hunter2" not in text
    assert "***" in text


@pytest.mark.parametrize("name", ["keyboard", "author", "turnkeysolution", "count", "path"])
def test_values_under_other_names_are_shown(name: str) -> None:
    frame = remote(caught(exec, compile("x = 1 / 0", "made_up.py", "exec"), {name: "shown"})).frames[-1]

    assert frame.locals[name] == "'shown'"


class Account:
    def __repr__(self) -> str:
        return "Account(name='ann', password='hunter2', url=https://ann:hunter2@host/)"


@pytest.mark.parametrize(
    "value",
    [Account(), "token=hunter2&x=1", '{"api_key": "hunter2"}', "Authorization: Bearer hunter2", "pg://u:hunter2@h/d"],
)
def test_secrets_inside_other_text_are_masked(value: object) -> None:
    def fail(value: object) -> None:
        raise ValueError("x")

    shown = remote(caught(fail, value)).frames[-1].locals["value"]

    assert "hunter2" not in shown
    assert "***" in shown


def test_more_names_can_be_masked() -> None:
    def fail(national_id: str, other: dict[str, str]) -> None:
        raise ValueError("x")

    values = remote(caught(fail, "123-45", {"NATIONAL_ID_NUMBER": "123-45"}), mask=["national_id"]).frames[-1].locals

    assert values == {"national_id": "***", "other": "{'NATIONAL_ID_NUMBER': ***}"}


def test_text_is_escaped_everywhere() -> None:
    def fail(value: str) -> None:
        error = ValueError(value, value)
        error.add_note(value)
        raise error

    text = encode(capture(caught(fail, "nul \0 and \udc80")))

    assert "\\u0000" not in text
    assert "nul \\x00 and \\udc80" in RemoteError.from_json(text).notes[0]
    assert json.loads(text)


def test_the_frames_that_call_a_task_are_left_out() -> None:
    namespace: dict[str, Any] = {"__name__": "jobyard.worker.slots", "task": divide}
    exec("def call(): task(1)", namespace)  # stands for the slot

    error = remote(caught(namespace["call"]))
    inner = remote(caught(lambda: namespace["call"]()))

    assert [frame.function for frame in error.frames] == ["caught", "call", "divide"]
    assert "call" in [frame.function for frame in inner.frames]  # only the outer end is cut


def test_only_the_outer_frames_of_a_slot_are_cut() -> None:
    slot: dict[str, Any] = {"__name__": "jobyard.worker.slots", "task": divide}
    exec("def call():\n    try: task(1)\n    except ZeroDivisionError as exc: return exc", slot)

    assert [frame.function for frame in remote(slot["call"]()).frames] == ["divide"]


def test_a_remote_error_can_be_raised_and_pickled() -> None:
    error = remote(caught(chained, 1))

    copy = pickle.loads(pickle.dumps(error))
    raised = caught(raise_from, copy)

    assert str(error) == str(copy)
    assert "ValueError: bad number" in "".join(traceback.format_exception(raised))
    assert repr(copy) == "<RemoteError ValueError: bad number>"


def raise_from(error: RemoteError) -> None:
    raise RuntimeError("the job failed") from error


@pytest.mark.parametrize("text", ["plain words", "[1]", '"x"', ""])
def test_a_text_that_is_no_captured_error_becomes_the_message(text: str) -> None:
    assert text == RemoteError.from_json(text).message


def test_the_terminal_shows_source_locals_and_chain() -> None:
    shown = in_terminal(remote(caught(chained, 1)))

    assert "other = [number]" in shown
    assert "number = 1" in shown
    assert "direct cause of the following exception" in shown
    assert shown.rstrip().endswith("ValueError: bad number")


def test_the_terminal_shows_groups_notes_and_bad_syntax() -> None:
    assert "3 of 3" in in_terminal(remote(caught(grouped)))
    assert "[note] second" in in_terminal(remote(caught(noted)))
    assert "y z]" in in_terminal(remote(caught(bad_syntax)))


def test_markup_in_a_message_is_shown_as_it_is() -> None:
    assert "ValueError: [red]not markup[/]" in in_terminal(remote(ValueError("[red]not markup[/]")))


def test_the_stack_of_a_thread_shows_where_it_is() -> None:
    entered, leave = threading.Event(), threading.Event()

    def busy(number: int) -> None:
        entered.set()
        leave.wait(10)

    thread = threading.Thread(target=busy, args=(7,))
    thread.start()
    entered.wait(10)

    stack = StackTrace(capture_stack(thread.ident))
    leave.set()
    thread.join()

    assert stack.frames[0].function == "busy"
    assert stack.frames[0].locals["number"] == "7"
    assert "    number = 7\n" in str(stack)
    assert "busy" in in_terminal(stack)


def test_the_stack_of_a_waiting_coroutine_goes_through_what_it_awaits() -> None:
    async def inner(event: asyncio.Event) -> None:
        await event.wait()

    async def outer(event: asyncio.Event) -> None:
        await inner(event)

    async def main() -> dict[str, Any]:
        event = asyncio.Event()
        task = asyncio.create_task(outer(event))
        await asyncio.sleep(0)
        data = capture_stack(task)
        event.set()
        await task
        return data

    data = asyncio.run(main())

    assert [frame.function for frame in StackTrace(data).frames] == ["outer", "inner", "wait"]
    assert json.loads(json.dumps(data)) == data


def test_the_stack_of_a_running_coroutine_goes_through_what_it_calls() -> None:
    def called() -> dict[str, Any]:
        return capture_stack(asyncio.current_task())

    async def outer() -> dict[str, Any]:
        return called()

    functions = [frame.function for frame in StackTrace(asyncio.run(outer())).frames]

    assert functions[:2] == ["outer", "called"]


@pytest.mark.parametrize("target", [-1, None, "no stack"])
def test_what_has_no_stack_gives_an_empty_one(target: object) -> None:
    assert render_stack(capture_stack(target)) == "Stack (most recent call last):"
