"""Two agents: one greets, one takes its time."""

import asyncio

from omnidaemon import Context, DeliveryPolicy, OmniDaemonSDK

sdk = OmniDaemonSDK()

# When a worker dies, another one takes its task over once this has run out. The default is 30 seconds; it is short here
# because demo.py kills a worker and waits for just that.
policy = DeliveryPolicy(lease=1.5)


@sdk.agent("greet.user", policy=policy)
async def greeter(payload: dict[str, str]) -> dict[str, str]:
    """Greet somebody by name."""
    return {"reply": f"Hello, {payload['name']}!"}


@sdk.agent("report.requested", policy=policy)
async def reporter(payload: dict[str, str], ctx: Context) -> dict[str, str]:
    """Write a report, slowly: at the first attempt so slowly that demo.py has the time to kill the worker."""
    await asyncio.sleep(60 if ctx.attempt == 1 else 1)
    return {"report": f"All is well in {payload['city']}.", "written_at_attempt": str(ctx.attempt)}


if __name__ == "__main__":
    sdk.run()
