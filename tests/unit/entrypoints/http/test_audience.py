"""Whoever publishes to a topic that no agent listens to is told."""

from __future__ import annotations

import asyncio

from omnidaemon.domain.errors import BackendUnavailable
from omnidaemon.entrypoints.http import audience
from omnidaemon.testing.patience import eventually
from tests.unit.entrypoints.http.conftest import PUBLISHER, calling, made_sdk


async def receipt(api, topic, **more):
    """What publishing there answers."""
    return (await api.post("/tasks", json={"topic": topic, "payload": 1, **more})).json()


class TestATopicThatNobodyListensTo:
    """The task is kept, and the receipt says that no agent listens to its topic."""

    async def test_it_is_named_with_what_was_probably_meant(self, api):
        """Also of a task that is due later."""
        for more in ({}, {"delay": 100}):
            told = await receipt(api, "greet.users", **more)
            assert told["warning"] == "no agent listens to greet.users; did you mean greet.user?"
            assert (await api.get(f"/tasks/{told['task_id']}")).json()["status"] in {"queued", "scheduled"}

    async def test_an_agent_that_comes_ends_the_warning(self):
        """Within a second or so; meanwhile publishing reads nothing."""
        sdk = made_sdk()
        async with calling(sdk) as api:
            assert "warning" in await receipt(api, "greet.user")
            async with sdk:
                await eventually(lambda: receipt(api, "greet.user"), lambda told: "warning" not in told)
                runtime = await sdk.runtime()
                reads = []

                class Watched:
                    async def census(self):
                        reads.append(1)
                        return await census()

                census, runtime.storage.registry = runtime.storage.registry.census, Watched()
                assert "warning" not in await receipt(api, "greet.user")
                assert "warning" not in await receipt(api, "fails")
                for _ in range(20):
                    assert "warning" in await receipt(api, "unheard")
                assert len(reads) < 10, "one a second, at most"

    async def test_the_task_is_published_whatever_the_store_says(self, sdk, api):
        """A store that does not tell of its agents costs the warning alone."""
        runtime = await sdk.runtime()

        asked = []

        class Away:
            async def census(self):
                asked.append(1)
                raise BackendUnavailable("redis", "redis://nowhere", "connection refused")

        runtime.storage.registry = Away()
        assert set(await receipt(api, "unheard")) == {"task_id", "status"}
        assert set(await receipt(api, "unheard")) == {"task_id", "status"}
        assert len(asked) == 1, "it is asked again after a second"

    async def test_one_looks_for_all_who_publish_at_once(self, sdk, api, monkeypatch):
        """And not for longer than a second, whatever the store does."""
        monkeypatch.setattr(audience, "_PATIENCE_SECONDS", 0.05)
        asked = []

        async def hang():
            asked.append(1)
            await asyncio.Event().wait()

        monkeypatch.setattr((await sdk.runtime()).storage.registry, "census", hang)
        told = await asyncio.gather(*(receipt(api, "unheard") for _ in range(20)))
        assert [set(each) for each in told] == [{"task_id", "status"}] * 20
        assert len(asked) == 1

    async def test_other_topics_are_named_to_who_may_read(self):
        """Who may publish alone learns nothing of what else there is."""
        poster = "q" * 40
        sdk = made_sdk(api_keys=f"poster:publish:{poster}, both:publish+read:{PUBLISHER}")
        async with sdk:
            pass
        async with calling(sdk) as api:
            for secret, more in ((poster, ""), (PUBLISHER, "; did you mean greet.user?")):
                body, headers = {"topic": "greet.users", "payload": 1}, {"Authorization": f"Bearer {secret}"}
                told = (await api.post("/tasks", json=body, headers=headers)).json()
                assert told["warning"] == f"no agent listens to greet.users{more}"
