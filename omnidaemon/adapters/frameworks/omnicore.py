"""OmniCoreAgent, kept ready for the messages that a handler gives it."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from omnidaemon.domain.errors import InvalidSetting, MissingExtra

Responder = Callable[[str], Awaitable[object]]
"""What may stand in for OmniCoreAgent: called with the message, awaited for the response."""


class RunFailed(RuntimeError):
    """OmniCoreAgent ended a run without a response. Raised out of a handler it is a failed attempt like any other."""


class OmniAgentRunner:
    """One agent of the framework OmniCoreAgent, for as long as its worker lives.

    `model_config` is passed to OmniCoreAgent as it is (`provider`, `model`, `base_url`, …); without it `LLM_MODEL` is
    read, as `provider/model`, and `LLM_BASE_URL` if set. The key comes from `LLM_API_KEY`. A `responder` takes the
    place of the framework, which then need not be installed.
    """

    def __init__(
        self,
        responder: Responder | None = None,
        *,
        name: str = "omni-agent",
        system_instruction: str = "You are a helpful assistant. Answer briefly and to the point.",
        model_config: Mapping[str, object] | None = None,
    ) -> None:
        self._responder = responder
        self._name = name
        self._system_instruction = system_instruction
        self._model_config = model_config
        self._agent: Any = None
        self._opening = asyncio.Lock()

    async def initialize(self) -> None:
        """Make the agent ready, once: later calls, also concurrent ones, do nothing.

        Raises `MissingExtra` where OmniCoreAgent is not installed, `InvalidSetting` when no model is named.
        """
        async with self._opening:
            if self._responder is None and self._agent is None:
                agent = await asyncio.to_thread(self._made)  # importing it takes seconds
                await agent.initialize()
                self._agent = agent

    async def handle_chat(self, message: str, session_id: str | None = None) -> object:
        """The response to one message. Messages of one `session_id` are one conversation; without it each is its own.

        Raises what the model's client raises, and `RunFailed` for a run that ended without a response.
        """
        if self._responder is not None:
            return await self._responder(message)
        await self.initialize()
        answer = await self._agent.run(message, session_id=session_id)
        if answer.get("status", "success") != "success" or answer.get("response") is None:
            raise RunFailed(f"{answer.get('status', 'no response')}: {answer.get('response')}")
        return answer["response"]

    def _made(self) -> Any:
        config = dict(self._model_config or _model_of_the_environment())
        try:
            framework = importlib.import_module("omnicoreagent")
        except ModuleNotFoundError as error:
            if error.name != "omnicoreagent":
                raise
            install = "pip install omnicoreagent (Python 3.12 or newer)"
            raise MissingExtra("agent framework", "OmniCoreAgent", "omnicoreagent", install) from error
        return framework.OmniCoreAgent(
            name=self._name, system_instruction=self._system_instruction, model_config=config
        )


def _model_of_the_environment() -> Mapping[str, object]:
    named = os.environ.get("LLM_MODEL")
    provider, slash, model = (named or "").partition("/")
    if not slash:
        raise InvalidSetting(
            "LLM_MODEL", named, "a model as provider/model, such as openai/gpt-4.1-mini", "environment"
        )
    base_url = os.environ.get("LLM_BASE_URL")
    return {"provider": provider, "model": model} | ({"base_url": base_url} if base_url else {})
