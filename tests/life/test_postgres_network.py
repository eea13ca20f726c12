"""What a network does to workers: a machine that is cut off, and notifications that never arrive."""

from __future__ import annotations

import re
import signal

import pytest
from tests import postgres
from tests.machines import NETWORK, Machine, why_none
from tests.proxy import Proxy
from tests.support import eventually

JOBS = 3
CLAIMED = b"unique_until\0"
"""What the server says of the rows that an idle worker claims, once that is committed."""
TURN_COMMITTED = re.compile(rb"min\0.*COMMIT\0", re.DOTALL)
"""What the server says at the end of a claimer's turn, whose last question is when the next job is due."""


def port_of(url):
    return int(url.partition("?")[0].rpartition(":")[2].partition("/")[0])


@pytest.fixture(scope="module")
def machines():
    """Two, around a server on a third, which enqueues."""
    if why := why_none():
        pytest.skip(why)
    machines = [Machine(1), Machine(2)]
    yield machines
    for machine in machines:
        machine.remove()


@pytest.fixture(scope="module")
def server(machines):
    server = postgres.Server(listen_addresses="0.0.0.0")
    server.allow(NETWORK)
    yield server
    server.remove()


@pytest.fixture
def bare_url(server):
    with postgres.schema(server.url) as url:
        yield url


def late(site):
    return [line for line in site.lines("programs.log") if "a late result" in line]


@pytest.mark.parametrize(
    ("lost_after", "heartbeat"),
    [
        pytest.param(1, 0.2, id="1 s"),
        pytest.param(30, 5, id="30 s", marks=[pytest.mark.soak, pytest.mark.timeout(300)]),
    ],
)
def test_a_machine_that_comes_back_is_too_late(site, machines, lost_after, heartbeat):
    def worker_on(machine):
        url = site.url.replace("127.0.0.1", machine.host)
        return site.worker(prefix=machine.prefix, url=url, lost_after=lost_after, heartbeat=heartbeat)

    first = worker_on(machines[0])
    jobs = [site.tasks["hang"].enqueue() for _ in range(JOBS)]
    eventually(lambda: site.lines("began") == [str(first.pid)] * JOBS)
    second = worker_on(machines[1])
    machines[0].unplug()
    eventually(lambda: len(site.lines("began")) == 2 * JOBS, timeout=3 * lost_after + 10)
    site.let_go()
    for job in jobs:
        job.wait(10)
    eventually(lambda: len(site.lines("ended")) == 2 * JOBS)
    machines[0].plug_in()
    eventually(lambda: len(late(site)) == JOBS, timeout=30)

    assert site.lines("began") == [str(first.pid)] * JOBS + [str(second.pid)] * JOBS
    assert site.lines("ended").count(f"{first.pid} returned") == JOBS
    for job in jobs:
        assert (job.refresh().result, job.machine) == (second.pid, machines[1].name)
        assert [(a.number, a.outcome) for a in job.attempts] == [(1, "crashed"), (2, "succeeded")]
        assert site.crashes(job.id) == 1
    site.check()

    second.signal(signal.SIGTERM)
    assert second.wait() == 0
    assert site.tasks["pid"].enqueue().wait(30).result == first.pid, "it goes on"
    site.check()


class TestProxied:
    """One worker, whose connections go through a proxy."""

    @pytest.fixture
    def bare_url(self):
        with postgres.schema(postgres.shared()) as url:
            yield url

    @pytest.fixture
    def proxy(self, url):
        proxy = Proxy(port_of(url))
        yield proxy
        proxy.close()

    @pytest.fixture
    def far_url(self, url, proxy):
        return url.replace(f":{port_of(url)}/", f":{proxy.port}/")

    def test_a_worker_that_is_not_told_finds_the_job_by_its_poll(self, site, far_url, proxy):
        site.worker(url=far_url, poll=1)
        assert site.tasks["note"].enqueue(1).wait(20).result == 1
        proxy.drop = site.yard.store.driver.channel.encode()

        for n in range(2, 4):
            eventually(lambda: idle(site))
            lost = proxy.dropped
            assert site.tasks["note"].enqueue(n).wait(20).result == n
            assert proxy.dropped > lost

        assert site.lines("runs") == ["1", "2", "3"]
        site.check()

    @pytest.mark.soak
    def test_a_worker_whose_connections_went_silent_goes_on(self, site, far_url, proxy):
        site.worker(url=far_url, poll=60, heartbeat=5, lost_after=60)
        assert site.tasks["note"].enqueue(1).wait(20).result == 1
        eventually(lambda: idle(site))
        proxy.freeze()

        assert site.tasks["note"].enqueue(2).wait(17).result == 2
        site.check()

    @pytest.mark.parametrize("option", ["", "&prepare=off"])
    def test_a_claim_whose_answer_is_lost_is_undone(self, site, far_url, proxy, option):
        site.worker(url=far_url + option, poll=60, concurrency=2)
        assert site.tasks["note"].enqueue(1).wait(20).result == 1
        running = site.tasks["hang"].enqueue()
        eventually(lambda: site.lines("began"))
        eventually(lambda: idle(site))
        proxy.cut_at = CLAIMED
        job = site.tasks["note"].enqueue(2)

        assert job.wait(20).result == 2
        assert proxy.cut_at is None, "it was cut"
        assert (job.attempt, site.crashes(job.id), site.lines("runs")) == (1, 0, ["1", "2"])
        site.let_go()
        running.wait(20)
        assert running.attempt == 1, "the worker was not lost"
        site.check()

    def test_its_jobs_run_on_while_nobody_knows_what_it_has_claimed(self, site, url, far_url, proxy):
        site.worker(url=far_url, poll=60, concurrency=2, busy_timeout=0.5)
        assert site.tasks["note"].enqueue(1).wait(20).result == 1
        running = site.tasks["hang"].enqueue()
        eventually(lambda: site.lines("began"))
        eventually(lambda: idle(site))
        proxy.close_at = re.compile(CLAIMED)
        job = site.tasks["note"].enqueue(2)
        eventually(lambda: site.log.count("again in") > 3)
        back = Proxy(port_of(url), at=proxy.port)

        assert job.wait(20).result == 2
        site.let_go()
        running.wait(20)
        assert [(each.attempt, site.crashes(each.id)) for each in (job, running)] == [(1, 0), (1, 0)]
        back.close()
        site.check()

    def test_a_worker_outlives_a_commit_of_which_it_never_hears(self, site, url, far_url, proxy):
        worker = site.worker(url=far_url, busy_timeout=0.5)
        proxy.close_at = TURN_COMMITTED
        job = site.tasks["note"].enqueue(1)
        eventually(lambda: "its outcome is not known" in site.log)
        failed = site.log.count("again in")
        eventually(lambda: site.log.count("again in") > failed + 1 or not worker.is_alive)
        back = Proxy(port_of(url), at=proxy.port)

        assert job.wait(20).result == 1
        assert worker.is_alive
        back.close()
        site.check()


def idle(site):
    """Whether the worker sleeps, and asks to be told."""
    with site.yard.store.read() as tx:
        return tx.fetch("select count(*) from main.idle where heed <= 1")[0][0]
