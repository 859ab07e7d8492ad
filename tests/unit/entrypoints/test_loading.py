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
        ("def f(x):\n\treturn x[\n", "line 2: '[' was never closed\n      return x[\n              ^"),
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


def test_a_mistake_in_an_imported_file_is_told_of_that_file(file, tmp_path):
    """Its name, and its line."""
    file("x = = 1", "broken_to_import.py")
    with pytest.raises(AgentFileError, match=rf"line 1 of {tmp_path}/broken_to_import.py: invalid syntax\n +x = = 1\n"):
        load_sdks(file("import broken_to_import"))


TWO = AGENTS + AGENTS.partition("\n\n")[2].replace("sdk", "other")


def test_two_sdks_are_both_found_or_one_by_its_name(file):
    """In the order of the file; a name that none has is told with those that there are."""
    path = file(TWO.replace('@other.agent("greet.user")', '@other.agent("greet.everybody")'))
    topics = [[subscription.topic for subscription in sdk.registration.agents] for sdk in load_sdks(path)]
    assert topics == [["greet.user"], ["greet.everybody"]]
    with pytest.raises(AgentFileError, match="no OmniDaemonSDK called 'sdks'; it has sdk, other"):
        load_sdks("agents_to_load:sdks")


def test_two_sdks_with_the_same_agent_are_refused(file):
    """Which of its functions got a task would be chance; one of the objects alone is well."""
    path = file(TWO, "twins_to_load.py")
    with pytest.raises(AgentFileError, match=r"sdk and other both have an agent 'greeter' on topic 'greet\.user'"):
        load_sdks(path)
    assert len(load_sdks("twins_to_load:other")) == 1
    assert len(load_sdks(file(AGENTS + "\nsame = sdk\n", "named_twice.py"))) == 1
