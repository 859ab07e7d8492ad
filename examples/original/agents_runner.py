"""Advanced set-up: several agents, and the API beside them.

Repairs: `src.omnidaemon` is `omnidaemon`. `OmniAgentRunner()` runs OmniCoreAgent, which wants a model and its key:
where `LLM_MODEL` names none, the runners get `stand_in` to answer. SIGTERM ends the program as Ctrl-C does, so that a
service manager can stop it, and `sdk.stop()` is awaited however it ends: asyncio.run() turns Ctrl-C into a cancellation
of main(), which never sees the KeyboardInterrupt that the sample waits for. That the API runs, and where, is logged by
`start_api_server` itself, once it does.
"""

import asyncio
import signal

from decouple import config
from loguru import logger

from omnidaemon.api import start_api_server
from omnidaemon.runners import OmniAgentRunner
from omnidaemon.sdk import OmniDaemonSDK

sdk = OmniDaemonSDK()


async def stand_in(message):
    return f"You asked: {message}"


responder = None if config("LLM_MODEL", default="") else stand_in
document_runner = OmniAgentRunner(responder)
recipe_runner = OmniAgentRunner(responder)


async def document_agent(message):
    await document_runner.initialize()
    result = await document_runner.handle_chat(message.get("content"))
    return {"status": "success", "data": result}


async def recipe_agent(message):
    await recipe_runner.initialize()
    result = await recipe_runner.handle_chat(message.get("content"))
    return {"status": "success", "data": result}


async def main():
    await sdk.register_agent("document.conversion.tasks", callback=document_agent)
    await sdk.register_agent("recipe.tasks", callback=recipe_agent)

    await sdk.start()

    serving = None
    if config("OMNIDAEMON_API_ENABLED", default=False, cast=bool):
        port = config("OMNIDAEMON_API_PORT", default=8765, cast=int)
        serving = asyncio.create_task(start_api_server(sdk, port=port))

    try:
        while True:
            await asyncio.sleep(1)
    finally:
        if serving is not None:
            serving.cancel()
        await sdk.stop()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        logger.info("stopped")
