"""`--api-url` and `--api-key`, wherever they stand."""

from __future__ import annotations

import pytest

from omnidaemon.bootstrap.api_address import load_api_address
from omnidaemon.domain.errors import InvalidSetting, UnknownSetting
from omnidaemon.domain.secret import Secret
from omnidaemon.entrypoints.cli.api_options import given, taken_from
from omnidaemon.entrypoints.cli.options import WrongUse


@pytest.mark.parametrize(
    ("arguments", "rest", "found"),
    [
        (["task", "list"], ["task", "list"], {}),
        (["--api-url", "http://x", "task", "list"], ["task", "list"], {"api_url": "http://x"}),
        (
            ["task", "--api-key=k=1", "list", "--api-url", "http://x"],
            ["task", "list"],
            {"api_url": "http://x", "api_key": "k=1"},
        ),
        (["task", "publish", "t", "--", "--api-url"], ["task", "publish", "t", "--", "--api-url"], {}),
        (["task", "list", "--api-url=http://x", "--api-url=http://y"], ["task", "list"], {"api_url": "http://y"}),
    ],
)
def test_they_are_taken_from_the_line(arguments, rest, found):
    """They hold as long as the command runs; what follows -- are values."""
    with taken_from(arguments) as left:
        assert left == rest
        assert given() == found
    assert given() == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["task", "list", "--api-url"], "--api-url needs a value"),
        (["task", "list", "--api-key="], "--api-key needs a value"),
        (["run", "agents.py", "--api-url", "http://x"], "`omni run` works on this machine"),
        (["--api-url", "http://x", "bench"], "`omni bench` works on this machine"),
        (["--version", "--api-key", "k"], "works on this machine"),
    ],
)
def test_what_would_be_ignored_is_refused(arguments, words):
    """An option that does nothing is a mistake."""
    with pytest.raises(WrongUse, match=words), taken_from(arguments):
        pass


def test_an_address_needs_no_other_setting(tmp_path):
    """What else is set may be wrong, or meant for another machine; the strongest source wins."""
    (tmp_path / "omnidaemon.toml").write_text('api_url = "http://file:1/"\nlog_level = "nonsense"\n')
    environ = {"EVENT_BUS_TYPE": "kafak", "OMNIDAEMON_API_KEY": "s3cret"}
    address = load_api_address(directory=tmp_path, environ=environ)
    assert address is not None
    assert (address.url, address.key) == ("http://file:1", Secret("s3cret"))
    assert address.origin.startswith("omnidaemon.toml")
    assert "s3cret" not in repr(address)
    environ["OMNIDAEMON_API_URL"] = "https://env"
    found = load_api_address(directory=tmp_path, environ=environ)
    assert found is not None
    assert (found.url, found.origin) == ("https://env", "environment OMNIDAEMON_API_URL")
    given_ = load_api_address({"api_url": "http://argument"}, directory=tmp_path, environ=environ)
    assert given_ is not None
    assert given_.url == "http://argument"


def test_without_an_address_there_is_none(tmp_path):
    """And a wrong one is told, as is a variable that is a slip of the keys."""
    assert load_api_address(directory=tmp_path, environ={}) is None
    with pytest.raises(InvalidSetting, match="OMNIDAEMON_API_URL"):
        load_api_address(directory=tmp_path, environ={"OMNIDAEMON_API_URL": "localhost:8765"})
    with pytest.raises(UnknownSetting, match="OMNIDAEMON_API_URL"):
        load_api_address(directory=tmp_path, environ={"OMNIDAEMON_API_ULR": "http://x"})
