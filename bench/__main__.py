"""``python -m bench [NAME ...] [--quick] [--store STORE]``; see the package."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.live import Live
from rich.table import Table

from bench.machine import describe
from bench.measurement import Measurement, Sizes
from bench.measurements import PLANS, plan
from bench.profiling import profile_table
from bench.report import Report, StoreResults, terminal_table, write
from bench.runner import run

__all__ = ["main"]

PROFILE = "profile"


def main() -> int:
    """Measure what was asked for. 0 when every floor was reached; a whole run also writes ``RESULTS.md``."""
    options = _options()
    stores = [options.store] if options.store else list(PLANS)
    sizes = Sizes.quick() if options.quick else Sizes()
    console = Console()
    if options.names == [PROFILE]:
        for store in stores:
            console.print(profile_table(store, sizes.jobs), markup=False, highlight=False)
        return 0
    results = [_measure(store, options.names, sizes, console) for store in stores]
    if not (options.names or options.store or options.quick):
        console.print(f"written to {write(results)}")
    return 0 if all(report.passed for each in results for report in each.reports) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure jobyard beside its peers.")
    parser.add_argument("--store", choices=sorted(PLANS), help="all by default")
    parser.add_argument("--quick", action="store_true", help="small sizes, once: whether it works, not how fast")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"measurements, or {PROFILE}; all by default")
    options = parser.parse_args()
    known = {each.name for store in PLANS for each in plan(store, Sizes())}
    if options.names != [PROFILE] and (unknown := set(options.names) - known):
        parser.error(f"no measurement {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))} and {PROFILE}")
    return options


def _measure(store: str, names: list[str], sizes: Sizes, console: Console) -> StoreResults:
    chosen = [each for each in plan(store, sizes) if not names or each.name in names]
    reports = _take(chosen, store, sizes, console)
    for report in reports:
        for subject, error in report.errors.items():
            console.print(f"{report.measurement.name}, {subject} failed:\n{error}\n", markup=False, style="red")
    profile = "" if names else profile_table(store, sizes.jobs)
    return StoreResults(store, describe(store), reports, profile)


def _take(chosen: list[Measurement], store: str, sizes: Sizes, console: Console) -> list[Report]:
    reports: list[Report] = []
    with Live(console=console, refresh_per_second=4) as live:
        for measurement in chosen:
            figures, errors = run(measurement, store, sizes.rounds, lambda text: live.update(_view(reports, text)))
            reports.append(Report(measurement, figures, errors))
        live.update(terminal_table(reports))
    return reports


def _view(reports: list[Report], doing: str) -> Table:
    table = terminal_table(reports)
    table.caption = doing
    return table


if __name__ == "__main__":
    raise SystemExit(main())
