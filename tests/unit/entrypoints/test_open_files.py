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


# As macOS does where `launchctl limit maxfiles` says unlimited.
REFUSING = """
import resource
from omnidaemon.entrypoints.open_files import allow_all_open_files
asked = []
def refuse_more_than_open_max(which, limits):
    if limits[0] > 10240:
        raise ValueError("current limit exceeds maximum limit")
    asked.append(limits)
resource.getrlimit = lambda which: ({soft}, 2**63 - 1)
resource.setrlimit = refuse_more_than_open_max
allow_all_open_files()
print(asked)
"""


@pytest.mark.parametrize(("soft", "asked"), [(256, [(10_240, 2**63 - 1)]), (10_240, []), (20_000, [])])
def test_where_the_hard_limit_is_more_than_is_allowed_open_max_is_taken(soft, asked):
    """Never less than there was."""
    done = subprocess.run(
        [sys.executable, "-c", REFUSING.format(soft=soft)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == (f"{asked}\n", "")
