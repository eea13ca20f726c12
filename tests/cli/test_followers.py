"""Commands that follow what happens, while the server goes away."""

from __future__ import annotations

import json
import time
from contextlib import closing

import psycopg
import pytest
from tests import postgres
from tests.cli.support import start
from tests.store.acts import claim, end, new, put
from tests.support import eventually

from jobyard import Yard
from jobyard.cli.patience import patiently
from jobyard.errors import SchemaOutOfDate, StoreUnavailable
from jobyard.model.messages import LogLine


@pytest.fixture
def bare_url(server):
    with postgres.schema(server.url) as url:
        yield url


class Follower:
    """A command as a process; what it says is kept in files."""

    def __init__(self, folder, url, *command):
        self._out, self._err = (folder / f"{'-'.join(command)}.{name}" for name in ("out", "err"))
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = start("--url", url, *command, cwd=folder, stdout=out, stderr=err)

    @property
    def lines(self):
        return self._out.read_text().splitlines()

    @property
    def warnings(self):
        return self._err.read_text().splitlines()

    def end(self):
        return self.process.wait(20)


@pytest.fixture
def follow(tmp_path, yard):
    """Starts a command."""
    followers = []

    def follow(*command):
        followers.append(Follower(tmp_path, yard.url, *command))
        return followers[-1]

    yield follow
    for follower in followers:
        follower.process.kill()
        follower.process.wait()


@pytest.fixture
def yard(url):
    with closing(Yard(url)) as yard:
        yield yard


@pytest.fixture
def running(yard):
    """A job that runs, as its worker sees it."""
    put(yard.store, new())
    [row] = claim(yard.store)
    return row


def say(yard, row, text):
    line = LogLine(0, yard.store.now(), 20, "", text)
    with yard.store.transaction() as tx:
        assert yard.store.records.write(tx, row.id, row.epoch, [line], [], yard.store.now())
    yard.store.driver.notify(everywhere=False)


@pytest.fixture
def wait(server, follow, running):
    """Starts `job wait`, and returns once that has looked."""

    def wait(*options):
        waiting = follow("job", "wait", str(running.id), *options)
        with psycopg.connect(server.url, autocommit=True) as connection:
            listening = "select count(*) from pg_stat_activity where query like 'listen %'"
            eventually(lambda: connection.execute(listening).fetchone()[0] == 1)
        return waiting

    return wait


def test_a_restart_is_told_once_and_nothing_is_lost_or_told_twice(yard, server, follow, running, wait):
    id = str(running.id)
    yard.machines.online("m1")
    say(yard, running, "before")
    waiting = wait()
    log = follow("job", "log", id, "--follow", "--json")
    watch, watch_json = follow("job", "watch", id), follow("job", "watch", id, "--json")
    events = follow("event", "follow", "--last", "1", "--json")
    followers = [waiting, log, watch, watch_json, events]
    eventually(lambda: all(each.lines for each in followers[1:]) and len(watch.lines) == 3)

    server.stop()
    eventually(lambda: all(each.warnings for each in followers))
    server.start()
    say(yard, running, "after")
    yard.machines.online("m2")
    end(yard.store, running)

    assert [each.end() for each in followers[:-1]] == [0] * 4
    eventually(lambda: len(events.lines) > 1)
    assert [len(each.warnings) for each in followers] == [1] * 5
    assert all(each.warnings[0].endswith("; trying again for 5m 00s") for each in followers)
    assert [json.loads(line)["message"] for line in log.lines] == ["before", "after"]
    assert [line.split()[-1] for line in watch.lines] == ["t", "before", "running", "after", "succeeded"]
    assert json.loads(watch_json.lines[-1])["status"] == "succeeded"
    assert [json.loads(line)["machine"] for line in events.lines] == ["m1", "m2"]


def test_a_timeout_ends_the_wait_for_it_too(server, wait):
    waiting = wait("--timeout", "3")

    server.stop()
    code = waiting.end()
    server.start()

    assert code == 1
    assert ["trying again" in told for told in waiting.warnings] == [True, False]
    assert waiting.warnings[1].startswith("jobyard: postgresql://")


class TestPatience:
    def test_each_absence_is_told_once(self, capsys):
        answers = iter([StoreUnavailable("away"), StoreUnavailable("away still"), 1])

        def look():
            if isinstance(answer := next(answers), Exception):
                raise answer
            return answer

        assert patiently(look) == 1
        assert capsys.readouterr() == ("", "jobyard: away; trying again for 5m 00s\n")

    @pytest.mark.parametrize("limit", [lambda: {"longest": 0.3}, lambda: {"deadline": time.monotonic() + 0.3}])
    def test_it_ends(self, limit):
        looks = []

        def look():
            looks.append(time.monotonic())
            raise StoreUnavailable("away")

        with pytest.raises(StoreUnavailable, match="away"):
            patiently(look, **limit())
        assert len(looks) > 1
        assert looks[-1] - looks[0] < 0.3

    def test_what_waiting_does_not_mend_ends_it_at_once(self, capsys):
        def look():
            raise SchemaOutOfDate("newer")

        with pytest.raises(SchemaOutOfDate):
            patiently(look)
        assert capsys.readouterr() == ("", "")


def test_an_event_whose_transaction_was_longer_is_told_too(yard, server, follow):
    """Its id is lower than that of one that was told before."""
    insert = f"insert into {yard.store.driver.schema}.events (at, kind) values (1, %s)"
    with psycopg.connect(server.url) as longer, psycopg.connect(server.url, autocommit=True) as shorter:
        shorter.execute(insert, ["first"])
        events = follow("event", "follow", "--last", "1", "--json")
        eventually(lambda: events.lines)
        longer.execute(insert, ["late"])
        shorter.execute(insert, ["early"])
        eventually(lambda: len(events.lines) == 2)
        longer.commit()
        shorter.execute(insert, ["last"])
        eventually(lambda: len(events.lines) == 4)

    assert [json.loads(line)["kind"] for line in events.lines] == ["first", "early", "late", "last"]
