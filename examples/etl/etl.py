"""
A graph of eight definitions, as `jobs.yaml` has them: one of them fails, and one is skipped.

Run it in an empty folder: ``python etl.py``.
"""

from pathlib import Path

from jobyard import Yard

yard = Yard()
yard.definitions.load(Path(__file__).with_name("jobs.yaml"))


def main() -> None:
    for name in ("page", "forecast"):
        yard.build(name, build_deps=True)
        yard.worker().run_until_idle()
    report()


def report() -> None:
    for job in yard.jobs(order="id"):
        why = f": {job.error.summary}" if job.error else ""
        print(f"{job.definition} {job.status}{why}")
    [sales] = yard.jobs(definition="sales")
    for progress in sales.progress:
        print(f"{'::'.join(progress.group)} {progress.current:g}/{progress.total:g}")
    print(Path("report.txt").read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    with yard:
        main()
