"""
Runs a command that ends with its starter: run as a file, with the end of a pipe and the words of the command.

It leads the process group of the command. The starter keeps the other end of the pipe open. Once that is closed, since
the starter has died, however that was, the whole group is killed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

_NOT_FOUND = 127
_BY_SIGNAL = 128


def main(pipe: int, command: list[str]) -> int:
    """Returns the exit code of the command, or, if a signal ended it, 128 and the number of that, as shells do."""
    os.set_inheritable(pipe, False)
    for number in (signal.SIGINT, signal.SIGPIPE):  # what this interpreter does with them is none of the command's
        signal.signal(number, signal.SIG_DFL)
    try:
        pid = os.posix_spawnp(command[0], command, os.environ)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        return _NOT_FOUND
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the group gets it, and it is for the command to end
    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
    for stream in (0, 1, 2):  # these are the command's alone, and when it closes them that shall be seen
        os.close(stream)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else _BY_SIGNAL - code


def _end_with(pipe: int) -> None:
    os.read(pipe, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    os._exit(main(int(sys.argv[1]), sys.argv[2:]))
