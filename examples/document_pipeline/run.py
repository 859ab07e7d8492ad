"""Send every text file of a folder through the pipeline, print what came out, and write it as JSON.

python run.py FOLDER [--output results.json] [--watch] [--agents-elsewhere]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import texts
from rich.console import Console
from rich.table import Table
from watchfiles import awatch

from omnidaemon import OmniDaemonSDK, TaskResult

AGENTS = Path(__file__).with_name("agents.py")
PATIENCE_SECONDS = 60.0


async def process(sdk: OmniDaemonSDK, folder: Path, path: Path) -> dict[str, Any]:
    """One document's way through both topics. Sent again unchanged, it is the same task and costs nothing."""
    uploaded = await sdk.publish_task(
        "document.uploaded",
        {"path": str(path), "folder": str(folder)},
        idempotency_key=fingerprint(path),
    )
    document = str(path.relative_to(folder))
    extraction = await sdk.wait_for_result(uploaded, PATIENCE_SECONDS)
    if not isinstance(extraction.result, dict):
        return {"document": document, "error": reason(extraction)}
    analysis = await sdk.wait_for_result(extraction.result["extracted"], PATIENCE_SECONDS)
    # Two agents are on this topic, so the result holds one value for each, under its name.
    row = {"document": document, "words": extraction.result["words"], "task": analysis.task_id}
    if analysis.status != "succeeded" or not isinstance(analysis.result, dict):
        return {**row, "error": reason(analysis)}
    return {**row, **analysis.result}


def fingerprint(path: Path) -> str:
    """Names this content at this place."""
    return hashlib.sha256(str(path).encode() + b"\0" + path.read_bytes()).hexdigest()


def reason(result: TaskResult) -> str:
    """Why there is no value."""
    return f"{result.error.type}: {result.error.message}" if result.error else f"{result.status}"


async def process_all(folder: Path, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """All of these documents at once; the agents' `concurrency` is what bounds the work."""
    sdk = OmniDaemonSDK()
    try:
        return list(await asyncio.gather(*(process(sdk, folder, path) for path in paths)))
    finally:
        await sdk.close()


async def watch(folder: Path) -> None:
    """Process each file that is added or changed, until interrupted."""
    print(f"watching {folder}; Ctrl-C ends")
    async for changes in awatch(folder):
        known = set(texts.documents(folder))
        changed = sorted({Path(name) for _, name in changes} & known)
        if changed:
            show(await process_all(folder, changed))


@contextlib.contextmanager
def worker(*, is_elsewhere: bool) -> Iterator[None]:
    """A worker process beside this one, unless agents run elsewhere already."""
    if is_elsewhere:
        yield
        return
    omni = shutil.which("omni", path=str(Path(sys.executable).parent)) or "omni"
    process = subprocess.Popen([omni, "run", str(AGENTS)])  # noqa: S603 - our own command
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def show(rows: Sequence[dict[str, Any]]) -> None:
    """A table for people."""
    table = Table("document", "words", "keywords", "summary", show_lines=True)
    for row in rows:
        found = row.get("error") or " ".join(row["summary"])
        table.add_row(row["document"], str(row.get("words", "")), ", ".join(row.get("keywords", ())), found)
    Console().print(table)


def main() -> int:
    """Run; 1 when a document did not get through."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, default=Path("results.json"), help="where to write the JSON")
    parser.add_argument("--watch", action="store_true", help="go on with files that are added or changed")
    parser.add_argument("--agents-elsewhere", action="store_true", help="agents.py runs already: start no worker")
    options = parser.parse_args()
    folder = options.folder.resolve()
    if not folder.is_dir():
        parser.error(f"{options.folder} is not a folder")
    with worker(is_elsewhere=options.agents_elsewhere):
        rows = asyncio.run(process_all(folder, texts.documents(folder)))
        show(rows)
        options.output.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        failed = sum("error" in row for row in rows)
        print(f"{len(rows) - failed} of {len(rows)} documents; results in {options.output}")
        if options.watch:
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(watch(folder))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
