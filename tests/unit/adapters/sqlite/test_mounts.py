"""Network file systems are recognised by the mount that holds the path."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnidaemon.adapters.sqlite.database import Database
from omnidaemon.adapters.sqlite.mounts import file_system_of, refuse_network_file_system
from omnidaemon.domain.errors import BackendUnusable

TABLE = r"""
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:40 / /home rw - nfs4 server:/home rw,vers=4.2
31 30 0:41 / /home/me/local rw,relatime shared:3 master:1 - xfs /dev/vdb rw
32 22 0:42 / /mnt/my\040share rw - cifs //server/share rw
33 22 0:43 / /mnt/ssh rw - fuse.sshfs me@server: rw
34 22 0:44 / /mnt/twice rw - nfs server:/a rw
35 34 0:45 / /mnt/twice rw - tmpfs tmpfs rw
a line that means nothing
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/omni.db", "ext4"),
        ("/home/me/omni.db", "nfs4"),
        ("/homeless/omni.db", "ext4"),
        ("/home/me/local/omni.db", "xfs"),
        ("/mnt/my share/omni.db", "cifs"),
        ("/mnt/ssh", "fuse.sshfs"),
        ("/mnt/twice/omni.db", "tmpfs"),
    ],
)
def test_the_deepest_mount_counts_and_the_latest_of_one_place(path, kind):
    assert file_system_of(Path(path), TABLE) == kind


def test_an_empty_table_says_nothing():
    assert file_system_of(Path("/x"), "") is None


def test_a_network_file_system_is_refused(tmp_path):
    table = tmp_path / "mountinfo"
    table.write_text(f"22 1 0:1 / / rw - ext4 /dev/vda rw\n23 22 0:2 / {tmp_path} rw - nfs server:/ rw\n")
    with pytest.raises(BackendUnusable, match="network file system \\(nfs\\)") as caught:
        refuse_network_file_system(tmp_path / "new folder" / "omni.db", mountinfo=table)
    assert "allows_network_file_system=True" in caught.value.hint
    refuse_network_file_system(Path("/elsewhere/omni.db"), mountinfo=table)
    refuse_network_file_system(tmp_path, mountinfo=tmp_path / "no such table")


async def test_it_can_be_allowed(tmp_path):
    """The setting reaches the check."""
    async with Database(tmp_path / "db", allows_network_file_system=True) as database:
        assert database._file.allows_network_file_system
