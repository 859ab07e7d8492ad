"""Three agents on two topics: `document.uploaded` → extract → `document.extracted` → keywords and summary."""

import asyncio
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import texts

from omnidaemon import Context, DeliveryPolicy, OmniDaemonSDK, Reject

sdk = OmniDaemonSDK()

# A file that is being written now can be read a moment later; one that is not text never will be.
reading = DeliveryPolicy(max_attempts=4, backoff=0.5, no_retry_on=UnicodeDecodeError)

LONGEST_TEXT = 500_000

# Plain functions run in threads, many at once: one of them reads the folder, the others wait for what it found.
folder_is_read = threading.Lock()


@sdk.agent("document.uploaded", policy=reading)
async def extract(payload: dict[str, str], ctx: Context) -> dict[str, Any]:
    """Read a document and publish its text."""
    path = Path(payload["path"])
    text = texts.plain(await asyncio.to_thread(path.read_text, encoding="utf-8"))
    if len(text) > LONGEST_TEXT:
        raise Reject(f"{path.name} has {len(text):,} characters, more than {LONGEST_TEXT:,}")
    # The key is the same at every attempt: should this worker die before the outcome is recorded, the next attempt gets
    # the task that was published already, not a second one.
    extracted = await ctx.publish("document.extracted", {**payload, "text": text}, idempotency_key=ctx.idempotency_key)
    return {"words": len(text.split()), "extracted": extracted}


@sdk.agent("document.extracted")
def keywords(payload: dict[str, str]) -> list[str]:
    """The words that set a document apart from the others of its folder."""
    with folder_is_read:
        frequencies, total = corpus(payload["folder"])
    return texts.keywords(payload["text"], frequencies, total)


@sdk.agent("document.extracted")
def summary(payload: dict[str, str]) -> list[str]:
    """The sentences that say most."""
    return texts.summary(payload["text"])


@lru_cache(maxsize=8)
def corpus(folder: str) -> tuple[dict[str, int], int]:
    """How many documents of a folder each word occurs in, and how many there are; read once per worker."""
    paths = texts.documents(Path(folder))
    contents = (texts.plain(path.read_text(encoding="utf-8", errors="replace")) for path in paths)
    return dict(texts.document_frequencies(contents)), len(paths)


if __name__ == "__main__":
    sdk.run()
