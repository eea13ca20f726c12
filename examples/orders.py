"""
Orders and their jobs in one SQLite file: what is committed together happens together.

An order gets its confirmation if and only if it is stored, and a confirmation is written exactly once, however often
its worker is killed. Run it in an empty folder: ``python orders.py``.
"""

from __future__ import annotations

import sqlite3

from jobyard import Yard, ctx

FILE = "orders.db"
yard = Yard(f"sqlite:///{FILE}")


def connect() -> sqlite3.Connection:
    connection = sqlite3.connect(FILE, timeout=30)
    connection.executescript(
        """
        create table if not exists orders (id integer primary key, fruit text);
        create table if not exists confirmations (number integer primary key autoincrement, order_id integer);
        """
    )
    return connection


@yard.task(retry=5)
def confirm(order: int) -> int:
    """Give the order its confirmation, and end the job, in one transaction."""
    connection = connect()
    try:
        with connection:
            number = connection.execute("insert into confirmations (order_id) values (?)", [order]).lastrowid
            assert number is not None
            ctx.finish(number, connection=connection)
    finally:
        connection.close()
    return number


def take(order: int, fruit: str) -> None:
    """Store an order with the job that confirms it. Pears are sold out, which is found too late."""
    connection = connect()
    try:
        with connection:
            connection.execute("insert into orders values (?, ?)", [order, fruit])
            confirm.using(connection=connection, title=f"confirm order {order}").enqueue(order)
            if fruit == "pear":
                raise LookupError("no pears are left")
    except LookupError as error:
        print(f"order {order} was not taken: {error}")
    finally:
        connection.close()


def main() -> None:
    yard.install()
    for order, fruit in enumerate(["apple", "pear", "plum"], 1):
        take(order, fruit)

    yard.worker().run_until_idle()

    for job in yard.jobs(order="id"):
        print(f"{job.title}: {job.status}, confirmation {job.result}")


if __name__ == "__main__":
    main()
