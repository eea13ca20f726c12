"""Definitions in YAML: every fault with its line, all or nothing, and back to YAML."""

from __future__ import annotations

import json
import sys
import textwrap
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from jobyard import BadArguments, BadDefinitions, DependencyCycle, UnknownDefinition, UnknownTask, retval

GOOD = """
    definitions:
      - name: extract
        task: since
        kwargs: {day: 2024-01-01}
        every: 6h
      - name: report
        title: Nightly report
        notes: "Numbers *checked* by finance."
        task: note
        args: [{deep: [1, !retval extract]}]
        dependencies: [extract]
        retry: {attempts: 3, delay: 5s}
        protected: true
"""


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "jobs.yaml"
        path.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
        return path

    return write


def faults(yard, path):
    return [str(fault) for fault in yard.definitions.check(path)]


FAULTS = {
    "- {name: a, task: note, colour: red}": ["line 2: a: unknown key 'colour'"],
    "- {name: a, task: nope}": ["line 2: a: no task 'nope' is registered here"],
    "- {name: a}": ["line 2: a: says neither task nor function"],
    "- name: a\n  task: null": ["line 3: a: says neither task nor function"],
    "- name: a\n  task: null\n  function: null": ["line 3: a: says neither task nor function"],
    "- {task: note}": ["line 2: the definition has no name"],
    "- name: [1]\n  task: note": [
        "line 2: the definition has no name that is one: name=[1]: give a text of 1 to 100 characters"
    ],
    '- {name: "a\\0", task: note}': [
        r"line 2: the definition has no name that is one: name='a\x00': the character '\x00' has no place in it"
    ],
    "- {name: a, task: note}\n- {name: a, task: note}": ["line 3: the name 'a' is taken by the definition in line 2"],
    "- name: a\n  task: note\n  task: note": ["line 4: the key 'task' is there twice"],
    "- name: a\n  task: note\n  kwargs:\n    value: {x: 1}\n    value: 2": ["line 6: the key 'value' is there twice"],
    "- name: a\n  task: note\n  args: [[{x: 1,\n  x: 2}]]": ["line 5: the key 'x' is there twice"],
    "- {name: a, task: note}\ndefinitions: []": ["line 3: the key 'definitions' is there twice"],
    "- {name: a, task: note, [1]: 2}": ["line 2: a key of a definition must be a text"],
    "- name: a\n  task: note\n  dependencies: [b]": ["line 4: a: depends on 'b', which is no definition"],
    "- {name: a, task: note}\n- name: b\n  task: note\n  args: [!retval a]": ["line 5: b: !retval a, but 'a' is not"],
    "- {name: a, task: note}\n- name: b\n  task: note\n  args: []\n  kwargs: {value: !retval a}": [
        "line 6: b: !retval a, but 'a' is not",
    ],
    "- name: a\n  task: note\n  every: soon": ["line 4: a: every='soon': give seconds"],
    "- name: a\n  task: note\n  cron: '* *'": ["line 4: a: cron='* *': this is no cron expression"],
    "- {name: a, task: note, every: 1h, cron: '* * * * *'}": ["line 2: a: every and cron: a schedule has one of them"],
    "- {name: a, task: note, timezone: Europe/Berlin}": ["line 2: a: timezone: only cron looks at it"],
    "- name: a\n  task: note\n  timezone: Europe/Berlin": ["line 4: a: timezone: only cron looks at it"],
    "- name: a\n  task: note\n  cron: x\n  timezone: Europe/Berlin": [
        "line 4: a: cron='x': this is no cron expression"
    ],
    "- {name: a, task: note, overlap: maybe}": ["line 2: a: overlap='maybe': give 'allow', or 'skip'"],
    "- {name: a, task: note, state: retired}": ["line 2: a: state='retired': a definition begins as"],
    "- name: a\n  task: since\n  kwargs: {day: 2024-01-01, count: many}": ["line 4: a: since: parameter 'count'"],
    "- name: a\n  task: since\n  args: [2024-01-01]\n  kwargs: {count: many}": ["line 5: a: since: parameter 'count'"],
    "- name: a\n  task: since\n  args: [soon]\n  kwargs: {count: many}": [
        "line 4: a: since: parameter 'day'",
        "line 5: a: since: parameter 'count'",
    ],
    "- name: a\n  task: since\n  args: [1, 2, 3]\n  kwargs: {day: 1, colour: red}": [
        "line 4: a: since: takes at most 1 arguments by position (day), got 3",
        "line 5: a: since: parameter 'day' is given twice",
        "line 5: a: since: there is no parameter 'colour'",
    ],
    "- name: a\n  task: total\n  args: [1, x, 2, y]": ["line 4: a: total: parameter", "line 4: a: total: parameter"],
    "- name: a\n  task: note\n  args: 5\n  kwargs: [1]": ["line 4: a: args=5: give a", "line 5: a: kwargs=[1]: give a"],
    "- name: a\n  task: note\n  args: abc": ["line 4: a: args='abc': give a list"],
    "- task: nope\n  colour: red\n  dependencies: [zzz]": [
        "line 2: the definition has no name",
        "line 2: a definition without a name: no task 'nope' is registered here",
        "line 3: a definition without a name: unknown key 'colour'",
        "line 4: a definition without a name: depends on 'zzz', which is no definition",
    ],
    "- {task: note}\n- {task: note}": ["line 2: the definition has no name", "line 3: the definition has no name"],
    "- name: 2024-02-30\n  task: note": ["line 2: '2024-02-30' is no timestamp"],
    "- {name: a, task: since}": ["line 2: a: since: parameter 'day' is missing"],
    "- {name: since, task: since}": ["line 2: since: parameter 'day' is missing"],
    "- {name: a, function: nowhere.at.all:f}": ["line 2: a: 'nowhere.at.all:f' cannot be imported"],
    "- {name: a, task: note, args: !!python/name:os.system x}": ["line 2: could not determine a constructor"],
    "- just a text": ["line 2: a definition must be a mapping"],
    "- {name: a, task: note": ["line "],
}


@pytest.mark.parametrize(("text", "expected"), FAULTS.items())
def test_each_fault_is_named_with_its_line(yard, shop, write, text, expected):
    found = faults(yard, write("definitions:\n" + text))

    assert len(found) == len(expected), found
    assert all(each.startswith(start) for each, start in zip(found, expected, strict=True)), found


def test_a_key_of_its_own_goes_before_one_that_is_merged(yard, shop, write):
    path = write("""
        definitions:
          - &base
            name: a
            task: note
            kwargs: &more {value: 1}
            title: Both
          - <<: *base
            name: b
            kwargs: {<<: *more, value: 2}
          - {name: c, <<: *base}
        """)

    assert yard.definitions.load(path).added == ["a", "b", "c"]
    assert [each.kwargs for each in yard.definitions.list()] == [{"value": 1}, {"value": 2}, {"value": 1}]
    assert {each.title for each in yard.definitions.list()} == {"Both"}


def test_what_cannot_be_merged_hides_no_other_fault(yard, shop, write):
    found = faults(yard, write("definitions:\n- {name: a, task: note, <<: 5}\n- {name: b, task: nope}"))

    assert [each.split(":")[0] for each in found] == ["line 2", "line 3"]


UNREADABLE = {
    "2024-02-30": "line 4: '2024-02-30' is no timestamp",
    "!!timestamp soon": "line 4: 'soon' is no timestamp",
    "!!int x": "line 4: 'x' is no int",
    "!!int ''": "line 4: '' is no int",
    "!!float x": "line 4: 'x' is no float",
    "!!bool maybe": "line 4: 'maybe' is no bool",
    "1" * 5000: "line 4: '111111",
    "[" * 400 + "]" * 400: "line 3: this is nested too deep",
    "[" * 3000 + "]" * 3000: "line 3: this is nested too deep",
    "\0": "line 4: control characters are not allowed",
}


@pytest.mark.parametrize(("given", "expected"), UNREADABLE.items(), ids=range(len(UNREADABLE)))
def test_a_value_that_cannot_be_read_is_a_fault(yard, shop, write, given, expected):
    [fault] = faults(yard, write(f"definitions:\n- name: a\n  kwargs:\n    value: {given}\n  task: note\n"))

    assert fault.startswith(expected)


MODULES = {
    "def (:": "SyntaxError: ",
    "1 / 0": "ZeroDivisionError: division by zero",
    "raise SystemExit(3)": "SystemExit: 3",
    "": "AttributeError: ",
}


@pytest.mark.parametrize("key", ["function", "cleanup"])
@pytest.mark.parametrize(("content", "expected"), MODULES.items())
def test_a_module_that_cannot_be_imported_is_a_fault(yard, shop, write, tmp_path, monkeypatch, key, content, expected):
    (tmp_path / "broken_module.py").write_text(content, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_module", raising=False)
    task = "" if key == "function" else "task: note, "

    [fault] = faults(yard, write(f"definitions:\n- {{name: a, {task}{key}: 'broken_module:act'}}"))

    assert fault.startswith(f"line 2: a: 'broken_module:act' cannot be imported: {expected}")


def test_a_path_without_a_package_cannot_be_imported(yard, shop, write):
    [fault] = faults(yard, write("definitions: [{name: a, function: '.x:y'}]"))

    assert fault.startswith("line 1: a: '.x:y' cannot be imported: ")


def test_a_cycle_is_named_in_full(yard, shop, write):
    path = write("""
        definitions:
          - {name: a, task: note, dependencies: [b]}
          - {name: b, task: note, dependencies: [c]}
          - {name: c, task: note, dependencies: [a]}
        """)

    [fault] = faults(yard, path)

    assert fault == "line 2: definitions depend on each other in a circle: a -> b -> c -> a"


def test_all_faults_are_found_at_once(yard, shop, write):
    """By their lines where a file is checked; where it is loaded, those of arguments come last."""
    path = write("""
        definitions:
          - name: a
            task: since
            args: [monday]
            dependencies: [zzz]
          - name: b
            task: nope
          - name: b
            task: note
        """)

    found = faults(yard, path)
    with pytest.raises(BadDefinitions) as refused:
        yard.definitions.load(path)

    assert [each.split(":")[0] for each in found] == ["line 4", "line 5", "line 7", "line 8"]
    assert [fault.line for fault in refused.value.faults] == [8, 5, 7, 4]


def test_a_bad_file_changes_nothing(yard, shop, write):
    yard.definitions.load(write(GOOD))

    with pytest.raises(BadDefinitions, match="1 fault, nothing was stored") as caught:
        yard.definitions.load(write(GOOD.replace("6h", "7h") + "      - {name: bad, task: nope}\n"))

    assert [fault.line for fault in caught.value.faults] == [14]
    assert yard.definitions.get("extract").every == 6 * 3600


def test_loading_tells_what_changed(yard, shop, write):
    first = yard.definitions.load(write(GOOD))
    again = yard.definitions.load(write(GOOD))
    yard.definitions.add("other", "note")
    changed = yard.definitions.load(write(GOOD.replace("6h", "7h")))
    pruned = yard.definitions.load(write(GOOD), prune=True)

    assert first.added == ["extract", "report"]
    assert again.unchanged == ["extract", "report"]
    assert (changed.changed, changed.kept) == (["extract"], ["other"])
    assert (pruned.removed, pruned.kept) == (["other"], [])
    assert yard.definitions.get("other").state == "retired"
    [_, event] = yard.events(kind="change", definition="extract")
    assert (event.data["old"], event.data["new"]) == ({"every": "6h"}, {"every": "7h"})


def test_nothing_changed_is_no_event(yard, shop, write):
    yard.definitions.load(write(GOOD))
    yard.definitions.change("report", title="Nightly report")

    assert yard.events(kind="change") == []


def test_dates_texts_and_references_become_what_the_task_takes(yard, shop, write):
    yard.definitions.load(write(GOOD))
    report = yard.definitions.get("report")

    job = yard.build("report", build_deps=True)
    yard.worker().run_until_idle()

    assert date(2024, 1, 1) in shop.seen
    assert job.refresh().result == {"deep": [1, 1]}
    assert str(report.args) == "({'deep': [1, retval(name='extract')]},)"


IN_CONTAINERS = {
    "!!set {!retval a}": {5},
    "{1: !retval a}": {1: 5},
    "[{2024-01-01: [!retval a]}]": [{date(2024, 1, 1): [5]}],
}


@pytest.mark.parametrize(("given", "expected"), IN_CONTAINERS.items())
def test_a_reference_stands_anywhere_in_the_arguments(yard, shop, write, given, expected):
    yard.definitions.add("a", "note", [5])
    path = write(f"definitions:\n- {{name: b, task: note, dependencies: [a], args: [{given}]}}")

    yard.definitions.load(path)
    job = yard.build("b", build_deps=True)
    yard.worker().run_until_idle()

    assert job.refresh().result == expected
    assert yard.definitions.load(write(yard.definitions.dump())).unchanged == ["a", "b"]


def test_what_is_dumped_loads_to_the_same(yard, shop, write, make_yard):
    yard.definitions.load(write(GOOD))

    dumped = yard.definitions.dump()
    loaded = yard.definitions.load(write(dumped))

    assert loaded.unchanged == ["extract", "report"]
    assert yard.definitions.dump() == dumped


def test_what_is_dumped_loads_to_the_same_states(yard, shop, write):
    add = yard.definitions.add
    add("active", "note", every="1h"), add("draft", "note", state="draft")
    for name in ("paused", "gone", "needed"):
        add(name, "note", every="1h")
    add("user", "note", dependencies=["needed"])
    yard.definitions.pause("paused"), yard.definitions.retire("gone"), yard.definitions.retire("needed")
    states = {each.name: each.state for each in yard.definitions.list()}

    dumped = yard.definitions.dump()
    loaded = yard.definitions.load(write(dumped), prune=True)

    assert loaded.unchanged == ["active", "draft", "paused", "needed", "user"]
    assert {each.name: each.state for each in yard.definitions.list()} == states
    assert states["needed"] == "retired"


def test_what_is_dumped_loads_elsewhere(yard, shop, write):
    yard.definitions.add("needed", "note")
    yard.definitions.add("user", "note", dependencies=["needed"])
    yard.definitions.retire("needed")
    path = write(yard.definitions.dump())
    yard.definitions.delete("user"), yard.definitions.delete("needed")

    yard.definitions.load(path)

    assert [(each.name, each.state) for each in yard.definitions.list()] == [("needed", "draft"), ("user", "active")]


IN_YAML = [datetime(2024, 1, 2, 3, 4, 5, 6, UTC), date(2024, 1, 2), b"\0a", {1, 2}, "2024-01-02", "1.50", "a\nb "]
NOT_IN_YAML = [Decimal("1.50"), UUID(int=7), time(3, 4), timedelta(hours=1), (1, "a"), [Decimal(1)]]


@pytest.mark.parametrize("given", [*IN_YAML, *NOT_IN_YAML], ids=repr)
def test_what_is_annotated_is_dumped_and_comes_back(yard, write, given):
    def annotated(x): ...

    annotated.__annotations__ = {"x": list[Decimal] if type(given) is list else type(given)}
    yard.definitions.add("a", yard.task(name="annotated")(annotated), [given])

    assert yard.definitions.load(write(yard.definitions.dump())).unchanged == ["a"]


@pytest.mark.parametrize("given", IN_YAML, ids=repr)
def test_what_yaml_has_is_dumped_and_comes_back(yard, write, given):
    yard.definitions.add("a", yard.task(name="bare")(_bare), ["plain"], {"option": given})

    assert yard.definitions.load(write(yard.definitions.dump())).unchanged == ["a"]


@pytest.mark.parametrize("given", NOT_IN_YAML, ids=repr)
def test_what_yaml_does_not_have_is_named_and_not_dumped(yard, given):
    yard.definitions.add("a", yard.task(name="bare")(_bare), [given, 1])
    yard.definitions.add("b", "bare", ["plain"], {"option": given})

    with pytest.raises(BadDefinitions, match="annotate the parameter") as refused:
        yard.definitions.dump()

    assert [fault.text.split("=")[0] for fault in refused.value.faults] == ["a: args[0]", "b: kwargs['option']"]


def _bare(x, option): ...


@pytest.mark.parametrize("key", [(1, 2), None, True, date(2024, 1, 2)])
def test_any_key_of_a_dict_is_fit_for_the_trail(yard, key):
    yard.definitions.add("a", yard.task(name="bare")(_bare), [{"deep": [{key: 1}]}, 2])

    assert yard.events(kind="create")[0].data["args"] == [{"deep": [{repr(key): 1}]}, 2]
    assert yard.definitions.get("a").args == ({"deep": [{key: 1}]}, 2)


def test_a_function_needs_no_decorator(yard, write):
    path = write("""
        definitions:
          - name: join
            function: os.path:join
            args: [a, b]
        """)

    yard.definitions.load(path)
    job = yard.build("join")
    yard.worker().run_until_idle()

    assert job.refresh().result == "a/b"
    assert job.ops[0].task == "posixpath:join"


def test_a_function_is_added_in_python_as_in_yaml(yard, shop):
    added = yard.definitions.add("join", function="os.path:join", args=["a", "b"])
    job = yard.build("join")
    yard.worker().run_until_idle()

    assert (added.function, added.task, job.refresh().result) == ("os.path:join", "posixpath:join", "a/b")
    with pytest.raises(BadArguments, match="task and function: give one of them"):
        yard.definitions.add("join", "note", function="os.path:join")


def test_what_holds_anyway_is_no_change(yard, shop, write):
    yard.definitions.load(write("definitions: [{name: a, task: note, overlap: skip, protected: false}]"))

    assert yard.definitions.load(write(yard.definitions.dump())).unchanged == ["a"]
    assert yard.events(kind="change") == []


def test_a_function_is_written_back_as_one(yard, write):
    """Under the path that was given, also where the function has another one; a change of something else keeps it."""
    yard.definitions.load(write("definitions: [{name: join, function: 'os.path:join', args: [a, b]}]"))
    yard.definitions.change("join", title="Joined")
    dumped = yard.definitions.dump()

    assert "function: os.path:join" in dumped
    assert yard.definitions.get("join").function == "os.path:join"
    assert yard.definitions.load(write(dumped)).unchanged == ["join"]


def test_nobody_imports_a_name_that_was_found_in_the_database(yard, shop, tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text("def act(*args): ...\nraise SystemError('imported')\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yard.definitions.add("plain", "note", cleanup="fail")
    with yard.store.transaction() as tx:
        text = tx.fetch("select options from main.definitions", {})[0][0].replace('"fail"', '"evil:act"')
        tx.execute("update main.definitions set options = :options", {"options": text})

    changed = yard.definitions.change("plain", title="Plain")

    assert (changed.title, changed.cleanup) == ("Plain", "evil:act")
    assert "evil" not in sys.modules


def test_a_file_may_depend_on_what_is_stored_already(yard, shop, write):
    yard.definitions.add("extract", "note")

    loaded = yard.definitions.load(write("definitions: [{name: report, task: note, dependencies: [extract]}]"))

    assert (loaded.added, loaded.kept) == (["report"], ["extract"])


def test_an_empty_file_has_no_definitions(yard, write):
    assert yard.definitions.load(write("")).added == []


def test_the_same_in_python_names_what_is_wrong(yard, shop):
    add = yard.definitions.add
    with pytest.raises(UnknownTask, match="nope"):
        add("a", "nope")
    with pytest.raises(BadArguments, match="a: says neither task nor function"):
        add("a", None)
    with pytest.raises(UnknownDefinition, match="zzz"):
        add("a", "note", dependencies=["zzz"])
    with pytest.raises(BadArguments, match="not among its dependencies"):
        add("a", "note", [retval("b")])
    for args in (5, "abc", b"abc", {"value": 1}, {1}):
        with pytest.raises(BadArguments, match=r"a: args=.*: give a list"):
            add("a", "note", args)
    for kwargs in (5, "abc", [1], {1: 2}):
        with pytest.raises(BadArguments, match=r"a: kwargs=.*: give a mapping"):
            add("a", "note", kwargs=kwargs)
    with pytest.raises(BadArguments, match="'count'"):
        add("a", "since", [date(2024, 1, 1)], {"count": "many"})
    add("a", "note")
    with pytest.raises(BadArguments, match="a: says neither task nor function"):
        yard.definitions.change("a", task=None)
    add("b", "note", dependencies=["a"])
    assert add("c", "total", range(3)).args == (0, 1, 2)
    with pytest.raises(DependencyCycle, match="a -> b -> a"):
        yard.definitions.change("a", dependencies=["b"])
    with pytest.raises(UnknownDefinition):
        yard.definitions.get("zzz")


@pytest.mark.parametrize("name", ["", "n\0", "n" * 101, 5, None])
def test_a_name_is_what_the_names_of_tasks_are(yard, shop, write, name):
    with pytest.raises(BadArguments, match=r"^name="):
        yard.definitions.add(name, "note")
    with pytest.raises(BadDefinitions, match="the definition has no name"):
        yard.definitions.load(write(f"definitions: [{json.dumps({'name': name, 'task': 'note'})}]"))

    assert yard.definitions.list() == []
    assert yard.definitions.add("n" * 100, "note").name == "n" * 100


def test_a_definition_keeps_its_name(yard, shop):
    yard.definitions.add("a", "note")

    with pytest.raises(BadArguments, match="keeps its name"):
        yard.definitions.change("a", name="b")


@pytest.mark.parametrize("task", ["note", "total"])
def test_arguments_without_an_end_are_refused(yard, shop, task):
    endless, deep = [], []
    endless += [endless, endless]
    for _ in range(2000):
        deep = [deep]

    for given in (endless, deep):
        with pytest.raises(BadArguments, match="a: args: they are nested too deep, or hold themselves"):
            yard.definitions.add("a", task, [given])
        with pytest.raises(BadArguments, match="a: kwargs: they are nested too deep, or hold themselves"):
            yard.definitions.add("a", task, kwargs={"value": {"deep": given}})


def test_a_draft_makes_no_job_until_it_is_resumed(yard, shop):
    draft = yard.definitions.add("a", "note", every="1h", state="draft")
    assert (draft.state, draft.job) == ("draft", None)

    yard.definitions.resume("a")

    assert draft.job.status == "queued"


def test_taking_the_schedule_away_takes_the_pending_job_away(yard, shop):
    definition = yard.definitions.add("a", "note", every="1h")

    yard.definitions.change("a", every=None)

    assert (definition.refresh().interval, definition.job) == (None, None)
    assert definition.state == "active"


def test_a_definition_that_others_need_is_not_deleted(yard, shop):
    yard.definitions.add("a", "note", every="1h")
    yard.definitions.add("b", "note", dependencies=["a"])

    with pytest.raises(ValueError, match="b depends on it"):
        yard.definitions.delete("a")
    yard.definitions.delete("b")
    yard.definitions.delete("a")

    assert yard.definitions.list() == []
    assert yard.jobs(status="queued") == []
    assert [event.definition for event in yard.events(kind="delete")] == ["a", "b"]
