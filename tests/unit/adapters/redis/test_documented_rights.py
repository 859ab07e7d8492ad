"""The rights that `docs/how-to/redis.md` gives are enough for every command of every script."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.servers.redis_kinds import documented_user
from tests.unit.docs.pages import ROOT

SCRIPTS = sorted((ROOT / "omnidaemon" / "adapters" / "redis" / "lua").glob("*.lua"))
_COMMAND = re.compile(r"(?:redis\.p?call|\ball)\('(\w+)'(?:, '([A-Z]+)')?")


def commands_of(text: str) -> Iterator[str]:
    """As the server's rights name them: `xgroup|create` for those that have subcommands."""
    for command, word in _COMMAND.findall(text):
        yield f"{command}|{word}".lower() if command.startswith("X") and word else command.lower()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_user_of_these_rights_may_run_it(script):
    is_of_a_bus = script.stem.startswith(("streams_", "pubsub_", "part_append", "part_forget", "part_some"))
    words = documented_user("omni", has_buses=is_of_a_bus)
    allowed = {word[1:].lower() for word in words if word.startswith("+")}
    wanted = set(commands_of(script.read_text(encoding="utf-8")))
    assert {command for command in wanted if not {command, command.partition("|")[0]} & allowed} == set()
