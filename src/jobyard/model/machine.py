"""
The states of a machine, the host of workers and foreign runners.

``online`` takes jobs, ``quiescing`` finishes those it has and goes offline when it has none, ``offline`` takes none.
"""

from __future__ import annotations

from enum import StrEnum

from jobyard.errors import BadArguments, PreconditionFailed

__all__ = ["MACHINE_TRANSITIONS", "MachineState", "OfflineReason", "check_machine", "offline_reason"]


class MachineState(StrEnum):
    """Whether a machine takes jobs."""

    ONLINE = "online"
    QUIESCING = "quiescing"
    OFFLINE = "offline"


class OfflineReason(StrEnum):
    """Why a machine is offline."""

    STOPPED = "stopped"
    """Somebody took it off; what ran there was interrupted."""
    QUIESCED = "quiesced"
    """It was quiescing, and its last job has ended."""
    WATCHDOG = "watchdog"
    """Whoever looks after the machine found that it does not answer."""


MACHINE_TRANSITIONS: dict[MachineState, frozenset[MachineState]] = {
    MachineState.OFFLINE: frozenset({MachineState.ONLINE}),
    MachineState.ONLINE: frozenset({MachineState.OFFLINE, MachineState.QUIESCING}),
    MachineState.QUIESCING: frozenset({MachineState.OFFLINE, MachineState.ONLINE}),
}
"""From each state, the ones that may come next."""


def check_machine(name: str, before: MachineState, after: MachineState) -> None:
    """Raise `PreconditionFailed`, naming the machine and both states, unless *before* may become *after*."""
    if after not in MACHINE_TRANSITIONS[before]:
        msg = f"machine {name} is {before} and cannot become {after}"
        raise PreconditionFailed(msg)


def offline_reason(value: object) -> OfflineReason:
    """The reason of this name. Raises `BadArguments` for any other value."""
    try:
        return OfflineReason(value)  # type: ignore[arg-type]
    except ValueError:
        msg = f"reason={value!r}: a machine is offline because it is {', '.join(OfflineReason)}"
        raise BadArguments(msg) from None
