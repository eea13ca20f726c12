"""
A long job that is watched while it runs, from another thread as it could be from another machine, and then canceled.

Run it in an empty folder: ``python backup.py``.
"""

from __future__ import annotations

import logging
import threading
import time

from jobyard import NO_CHANGE, Yard, ctx

yard = Yard("sqlite:///backup.db")
log = logging.getLogger("backup")


@yard.task()
def back_up(folders: list[str]) -> int:
    """Copy file after file; here that is a short sleep. Between two files it can be canceled without harm."""
    for folder in folders:
        log.info("copying %s", folder)
        for _ in ctx.track(range(1000), group=("files", folder)):
            ctx.check_canceled()
            time.sleep(0.01)
    return len(folders)


def watch(id: int, files: int) -> None:
    """Show log and progress until so many files have been copied, reading only what is new."""
    serial, seen, done = 0, None, 0.0
    while done < files:
        change = yard.wait_for_change(id, ["status", "progress"], seen, newer_than=serial, timeout=10)
        if change is NO_CHANGE:
            break
        seen = change.fields
        for entry in change.log:
            serial = entry.serial
            print(f"log: {entry.message}")
        done = sum(progress.current for progress in yard.job(id).progress)


def main() -> None:
    job = back_up.enqueue(["photos", "letters"])
    worker = yard.worker()
    thread = threading.Thread(target=worker.run)
    thread.start()

    watch(job.id, files=20)
    done, text = job.cancel()
    print(f"cancel: {done}, {text}")
    print(f"job {job.id} is {job.wait(timeout=30).status}")

    worker.stop()
    thread.join()


if __name__ == "__main__":
    main()
