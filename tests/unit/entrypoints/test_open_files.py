"""The limit of open files, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource
from omnidaemon.entrypoints.open_files import allow_all_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, 512))
allow_all_open_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize("soft", [256, 512])
def test_as_many_files_may_be_open_as_are_allowed(soft):
    """Up to the hard limit, which stays; and nothing is said."""
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(soft=soft)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(512, 512)\n", "")
