"""Loading a file of agents: what is wrong with it is said of it, what is wrong with the settings of those."""

from __future__ import annotations

import re

import pytest

from omnidaemon.domain.errors import AgentFileError, InvalidSetting
from omnidaemon.entrypoints.loading import load_sdks

AGENTS = """
from omnidaemon import OmniDaemonSDK

sdk = OmniDaemonSDK()

@sdk.agent("greet.user")
async def greeter(payload):
    return payload
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="agents_to_load.py"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def test_an_sdk_with_agents_is_found(file):
    """At module level, whatever it is called."""
    (sdk,) = load_sdks(file(AGENTS))
    assert [str(subscription) for subscription in sdk.registration.agents] == ["greet.user/greeter"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nowhere_at_all", "No module named 'nowhere_at_all'"),
        ("def (", "line 1"),
        ("import sys; sys.exit(3)", "sys.exit(3)"),
        ("1 / 0", "ZeroDivisionError"),
        ("", "there is no OmniDaemonSDK at module level"),
        (AGENTS.partition("@")[0], "its SDK has no agents"),
        (AGENTS.replace("greet.user", "greet user"), "not a valid topic"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_of_it(file, text, reason):
    """With its path, and without the frames of the import."""
    path = file(text)
    with pytest.raises(AgentFileError, match=re.escape(reason)) as caught:
        load_sdks(path)
    assert caught.value.path == path


def test_a_wrong_setting_is_not_blamed_on_the_file(file, monkeypatch):
    """Making an SDK reads the settings: their error names where the value came from."""
    monkeypatch.setenv("OMNIDAEMON_DRAIN_SECONDS", "soon")
    with pytest.raises(InvalidSetting, match=r"OMNIDAEMON_DRAIN_SECONDS='soon' \(from environment"):
        load_sdks(file(AGENTS))
