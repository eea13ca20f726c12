"""Machines of their own, as far as the network goes: each is a network namespace with a cable to this one."""

from __future__ import annotations

import os
import shutil
import subprocess

__all__ = ["NETWORK", "Machine", "why_none"]

_THIRD = os.getpid() % 256
NETWORK = f"10.213.{_THIRD}.0/24"
"""All of them; another test run has others."""


class Machine:
    """`number` is from 1 to 60. A program runs there with `prefix` before its command."""

    def __init__(self, number: int) -> None:
        self.name = f"jobyard-{_THIRD}-{number}"
        self.host = f"10.213.{_THIRD}.{number * 4 + 1}"
        """The address of this machine as that one sees it."""
        self.prefix = (
            *("ip", "netns", "exec", self.name),
            *("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.name),
        )
        self._plug = f"jy{_THIRD}-{number}"
        _ip("netns", "add", self.name)
        try:
            self._wire(f"10.213.{_THIRD}.{number * 4 + 2}")
        except subprocess.CalledProcessError:
            self.remove()
            raise

    def unplug(self) -> None:
        """From now on no packet arrives at either end, and nobody is told."""
        _ip("link", "set", self._plug, "down")

    def plug_in(self) -> None:
        _ip("link", "set", self._plug, "up")

    def remove(self) -> None:
        _ip("netns", "delete", self.name)

    def _wire(self, address: str) -> None:
        _ip("link", "add", self._plug, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("address", "add", f"{self.host}/30", "dev", self._plug)
        _ip("link", "set", self._plug, "up")
        _ip("-netns", self.name, "address", "add", f"{address}/30", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-netns", self.name, "link", "set", device, "up")


def why_none() -> str | None:
    """Why no machine can be made here, if so."""
    for program, package in (("ip", "iproute2"), ("unshare", "util-linux"), ("hostname", "hostname")):
        if shutil.which(program) is None:
            return f"{program} is not installed (Debian: apt install {package})"
    try:
        Machine(60).remove()
        subprocess.run(["unshare", "--uts", "true"], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        return f"no right to make network namespaces ({error.stderr.decode().strip()})"
    return None


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
