"""On what a file lies: the write-ahead log of SQLite needs memory that all its processes share, so no network."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["filesystem_of", "network_filesystem"]

_MOUNTS = Path("/proc/self/mounts")
_NETWORK = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ceph",
        "glusterfs",
        "lustre",
        "beegfs",
        "gpfs",
    }
    | {"ocfs2", "gfs2", "davfs", "ncpfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.gcsfuse"}
    | {"fuse.rclone", "fuse.davfs2", "fuse.juicefs"}
)


def filesystem_of(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """The type of the filesystem on which *path* lies or would lie; None where the system does not tell."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    target = os.path.realpath(path)
    found: tuple[str, str | None] = ("", None)
    for line in lines:
        _, point, kind, *_ = line.split(" ")
        point = _unescaped(point)
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(found[0]):  # of two mounts on one point the later one is seen
            found = (point, kind)
    return found[1]


def network_filesystem(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """The type of the network filesystem on which *path* lies; None if it lies on none, or nobody knows."""
    kind = filesystem_of(path, mounts)
    return kind if kind in _NETWORK else None


def _unescaped(point: str) -> str:
    """Spaces and the like are written in octal there: ``\\040``."""
    for code in ("\\040", "\\011", "\\012", "\\134"):
        point = point.replace(code, chr(int(code[1:], 8)))
    return point
