"""Which kind of file system a path lies on, and whether several processes may share an SQLite file there."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from omnidaemon.adapters.sqlite.faults import BACKEND
from omnidaemon.domain.errors import BackendUnusable

_MOUNTINFO: Final = Path("/proc/self/mountinfo")

# The write-ahead log needs memory shared by all processes, which no network can give (https://sqlite.org/wal.html),
# and their locks are often pretended ones (https://sqlite.org/howtocorrupt.html, section 2.1).
NETWORK_FILE_SYSTEMS: Final = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4"),
        *("orangefs", "smb3", "smbfs"),
        *("fuse.ceph", "fuse.ceph-fuse", "fuse.gcsfuse", "fuse.glusterfs", "fuse.goofys", "fuse.juicefs"),
        *("fuse.mount-s3", "fuse.rclone", "fuse.s3fs", "fuse.smbnetfs", "fuse.sshfs"),
    }
)


def file_system_of(path: Path, mountinfo: str) -> str | None:
    """Give the type of the file system that holds `path`; None if the table doesn't say.

    `path` is absolute and without symbolic links. The format of `mountinfo` is that of proc(5): the fifth field is
    where it is mounted, and the type follows a lone hyphen. Of two mounts on one place the later hides the earlier.
    """
    deepest, found = -1, None
    for line in mountinfo.splitlines():
        mount, _, source = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) < 5 or not source:  # noqa: PLR2004 - the fifth field, see above
            continue
        point = Path(_unescaped(fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= deepest:
            deepest, found = len(point.parts), source.split(" ", 1)[0]
    return found


def mount_table(mountinfo: Path = _MOUNTINFO) -> str:
    """What is mounted where, as `file_system_of` reads it; empty where only other systems have such a table."""
    try:
        return os.fsdecode(mountinfo.read_bytes())
    except OSError:
        return ""


def refuse_network_file_system(path: Path, *, mountinfo: Path = _MOUNTINFO) -> None:
    """Raise `BackendUnusable` if `path` lies on a file system on which the file would be damaged sooner or later.

    Where there is no such table (macOS, Windows) nothing is refused.
    """
    kind = file_system_of(Path(os.path.realpath(path)), mount_table(mountinfo))
    if kind in NETWORK_FILE_SYSTEMS:
        reason = f"it lies on a network file system ({kind}), where SQLite's locks and shared memory don't work"
        hint = "choose a local disk; or allow it by allows_network_file_system=True if one machine alone uses it"
        raise BackendUnusable(BACKEND, str(path), reason, hint)


def _unescaped(field: str) -> str:
    r"""Undo the octal escapes of proc(5): a space in a mount point is written as \040."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
