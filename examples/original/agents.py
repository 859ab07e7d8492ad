"""Quick Start, step 1. Repairs: none."""

from omnidaemon import OmniDaemonSDK

sdk = OmniDaemonSDK()


@sdk.agent("greet.user")
async def greeter(payload):
    return {"reply": f"Hello, {payload['name']}!"}


if __name__ == "__main__":
    sdk.run()
