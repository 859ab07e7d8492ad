"""Quick Start, decorator style.

Repairs: `src.omnidaemon` is `omnidaemon`; `my_agent`, which the sample leaves undefined, is defined here.
"""

from omnidaemon.sdk import OmniDaemonSDK

sdk = OmniDaemonSDK()


class RecipeAgent:
    """What stands for an agent of whatever framework: something with a coroutine `run`."""

    async def run(self, payload):
        return {"recipe": f"a {payload['query']}: mix, bake, wait, enjoy"}


my_agent = RecipeAgent()


@sdk.agent("recipe.tasks", name="RecipeBot", tools=["search"])
async def recipe_agent(payload):
    return await my_agent.run(payload)


sdk.run()  # starts the agent, and the HTTP API where OMNIDAEMON_API_ENABLED says so
