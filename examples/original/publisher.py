"""Publishing tasks, and asking for their results.

Repairs: `src.omnidaemon` is `omnidaemon`; `config`, which the sample does not import, is imported; `redi_url` is
`redis_url`; the store is Redis where RESULT_STORE_TYPE says so, else the one of the settings, so that the program also
runs on the embedded default.
"""

import asyncio

from decouple import config

from omnidaemon.result_store import RedisResultStore
from omnidaemon.sdk import OmniDaemonSDK

store = None
if config("RESULT_STORE_TYPE", default="") == "redis":
    store = RedisResultStore(redis_url=config("REDIS_URL", default="redis://localhost"))
sdk = OmniDaemonSDK(result_store=store)


async def publish_tasks():
    tasks = [
        (
            "document.conversion.tasks",
            {
                "content": "what can you do for me",
                "webhook": "http://localhost:8004/document_conversion_result",
            },
        ),
        (
            "recipe.tasks",
            {
                "content": "what can I cook with rice and apple",
            },
        ),
    ]

    for topic, payload in tasks:
        task_id = await sdk.publish_task(topic, payload)
        print(f"📨 Published task {task_id} → {topic}")

        await asyncio.sleep(3)
        result = await sdk.get_result(task_id)
        print(f"✅ Result for {task_id}: {result}")


if __name__ == "__main__":
    asyncio.run(publish_tasks())
