"""The runner for OmniCoreAgent: against a stand-in of the framework's two calls, since its models cost money."""

from __future__ import annotations

import asyncio
import sys

import pytest

from omnidaemon.domain.errors import InvalidSetting, MissingExtra
from omnidaemon.runners import OmniAgentRunner

FRAMEWORK = """
import asyncio

made = []

class OmniCoreAgent:
    def __init__(self, **options):
        made.append(options)

    async def initialize(self):
        await asyncio.sleep(0)

    async def run(self, query, session_id=None):
        if query == "fail":
            return {"response": "no model answers", "status": "error"}
        if query == "approve":
            return {"response": None, "status": "awaiting_approval"}
        return {"response": f"{query}, {session_id}", "session_id": session_id}
"""


@pytest.fixture
def framework(tmp_path, monkeypatch):
    """A package of the framework's name, with the two calls that the runner makes."""
    (tmp_path / "omnicoreagent.py").write_text(FRAMEWORK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("LLM_MODEL", "openai/small")
    monkeypatch.delenv("LLM_BASE_URL", raising=False)
    yield lambda: sys.modules["omnicoreagent"].made
    sys.modules.pop("omnicoreagent", None)


async def test_a_message_gets_its_response(framework):
    """Alone, not the framework's whole answer; in its conversation, where one is named."""
    runner = OmniAgentRunner()
    assert await runner.handle_chat("hello") == "hello, None"
    assert await runner.handle_chat("hello", session_id="s1") == "hello, s1"


async def test_the_agent_is_made_once(framework):
    """However many handlers want it, and at the same time."""
    runner = OmniAgentRunner(name="cook", system_instruction="Cook.")
    await asyncio.gather(*(runner.initialize() for _ in range(10)))
    (options,) = framework()
    assert options == {
        "name": "cook",
        "system_instruction": "Cook.",
        "model_config": {"provider": "openai", "model": "small"},
    }


async def test_the_model_comes_from_the_program_or_the_environment(framework, monkeypatch):
    """A program's word counts first; an endpoint of one's own goes with the model of the environment."""
    await OmniAgentRunner(model_config={"provider": "groq", "model": "big"}).initialize()
    monkeypatch.setenv("LLM_BASE_URL", "http://127.0.0.1:1/v1")
    await OmniAgentRunner().initialize()
    assert [options["model_config"] for options in framework()] == [
        {"provider": "groq", "model": "big"},
        {"provider": "openai", "model": "small", "base_url": "http://127.0.0.1:1/v1"},
    ]


@pytest.mark.parametrize(("query", "reason"), [("fail", "error: no model answers"), ("approve", "awaiting_approval")])
async def test_a_run_without_a_response_is_an_error(framework, query, reason):
    """So that the agent's policy decides what follows, rather than an apology being kept as the result."""
    with pytest.raises(RuntimeError, match=reason):
        await OmniAgentRunner().handle_chat(query)


@pytest.mark.parametrize("named", [None, "small"])
async def test_a_missing_model_is_said(framework, monkeypatch, named):
    """With the form that is expected."""
    monkeypatch.delenv("LLM_MODEL")
    if named:
        monkeypatch.setenv("LLM_MODEL", named)
    with pytest.raises(InvalidSetting, match="provider/model"):
        await OmniAgentRunner().initialize()


async def test_a_missing_framework_is_said(monkeypatch):
    """With what to install."""
    monkeypatch.setenv("LLM_MODEL", "openai/small")
    monkeypatch.setitem(sys.modules, "omnicoreagent", None)
    with pytest.raises(MissingExtra, match="pip install omnicoreagent"):
        await OmniAgentRunner().initialize()


async def test_a_responder_needs_no_framework(monkeypatch):
    """For tests, and for agents that are a function."""
    monkeypatch.setitem(sys.modules, "omnicoreagent", None)

    async def respond(message):
        return message.upper()

    runner = OmniAgentRunner(respond)
    await runner.initialize()
    assert await runner.handle_chat("hello") == "HELLO"
