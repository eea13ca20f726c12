"""The steps that `jobs.yaml` names: plain functions, without a decorator."""

from collections import Counter
from datetime import date
from pathlib import Path

from jobyard import SkipJob, ctx

WROTE_DOWN = {
    "harbour": [("ada", 3), ("bob", 1), ("ada", 2)],
    "market": [("cleo", 4), ("bob", 5)],
}


def orders(day: date) -> dict[str, list[tuple[str, int]]]:
    """Who ordered how many pieces, by branch."""
    found = {}
    for branch, lines in WROTE_DOWN.items():
        found[branch] = list(ctx.track(lines, group=("branches", branch)))
    return found


def customers() -> dict[str, str]:
    """The region of each customer."""
    return {"ada": "north", "bob": "south", "cleo": "north"}


def returns(day: date) -> None:
    raise SkipJob(f"nothing came back on {day}")


def weather() -> str:
    raise ConnectionError("the weather service does not answer")


def sales(orders: dict[str, list[tuple[str, int]]], lookup: dict[str, dict[str, str]]) -> dict[str, int]:
    """Add up by region, and report how far it is: by branch, and in each by customer."""
    pieces: Counter[str] = Counter()
    for branch, lines in orders.items():
        of_customers = Counter(customer for customer, _ in lines)
        done: Counter[str] = Counter()
        for customer, count in lines:
            pieces[lookup["regions"][customer]] += count
            done[customer] += 1
            ctx.progress(done[customer], of_customers[customer], group=("sales", branch, customer))
    return dict(pieces)


def forecast(sales: dict[str, int], weather: str) -> int:
    return sum(sales.values()) * (2 if weather == "sunny" else 1)


def report(sales: dict[str, int]) -> str:
    return "".join(f"{region}: {pieces} pieces\n" for region, pieces in sorted(sales.items()))


def page(path: str, text: str) -> str:
    Path(path).write_text(text, encoding="utf-8")
    return path
