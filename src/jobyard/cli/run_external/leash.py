"""
Becomes a command, tied to the process that started it: run as a file, with that one's pid and the words of the command.

On Linux the command is killed when its starter dies, however that dies; elsewhere it would go on.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_SET_DEATH_SIGNAL = 1
_GONE = 143
_NOT_FOUND = 127


def main(starter: int, command: list[str]) -> int:
    """Does not return where the command can be started."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != starter:  # it died before it could be asked for the signal
            return _GONE
    for number in (signal.SIGINT, signal.SIGPIPE):  # what this interpreter does with them is none of the command's
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 it is the user's command
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        return _NOT_FOUND


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
