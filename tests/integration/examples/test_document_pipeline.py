"""The document pipeline, on the project's own pages and the licence texts that Debian ships."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from omnidaemon import OmniDaemonSDK
from omnidaemon.bootstrap.settings import load_settings
from tests.integration.examples.theatre import clean_environment, finished
from tests.unit.docs.pages import DOCS, ROOT

_PIPELINE = ROOT / "examples" / "document_pipeline"
_LICENCES = Path("/usr/share/common-licenses")
_OMNI = Path(sys.executable).with_name("omni")


def _environment(folder: Path) -> dict[str, str]:
    return clean_environment(folder, EVENT_BUS_TYPE="sqlite", OMNIDAEMON_DATA_DIR=str(folder / "data"))


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    documents, results = folder / "documents", folder / "results.json"
    command: list[str | Path] = [sys.executable, _PIPELINE / "run.py", documents, "--output", results, *arguments]
    return finished(command, _environment(folder), folder)


@pytest.fixture
def documents(tmp_path):
    """A folder of real texts."""
    folder = tmp_path / "documents"
    shutil.copytree(DOCS, folder / "docs", ignore=shutil.ignore_patterns(".*", "*.svg"))
    if _LICENCES.is_dir():
        shutil.copytree(_LICENCES, folder / "licences")
    return folder


async def _tasks(folder: Path) -> tuple[list[str], dict[str, int]]:
    """The states of all runs of the second topic, and how many runs of each agent succeeded."""
    sdk = OmniDaemonSDK(settings=load_settings({"data_dir": folder / "data"}, directory=folder, environ={}))
    try:
        page = await sdk.list_tasks(topic="document.extracted", limit=1000)
        states = [",".join(sorted(f"{run.agent}:{run.status}" for run in task.runs)) for task in page.results]
        return states, {key.agent: done.tasks_processed for key, done in (await sdk.metrics()).items()}
    finally:
        await sdk.close()


def test_each_document_has_both_results_once(documents, tmp_path):
    """Two workers share the work; each document has one task on the second topic, each agent one result of it. Sent
    again, the same tasks answer, and nothing runs anew."""
    count = sum(path.is_file() for path in documents.rglob("*"))
    assert count > 20
    command: list[str | Path] = [_OMNI, "run", _PIPELINE / "agents.py"]
    workers = [
        subprocess.Popen(command, env=_environment(tmp_path), cwd=tmp_path, stderr=subprocess.DEVNULL) for _ in range(2)
    ]
    try:
        done = _run(tmp_path, "--agents-elsewhere")
        assert done.returncode == 0, done.stdout + done.stderr
        rows = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
        assert len(rows) == len({row["task"] for row in rows}) == count
        assert all(len(row["keywords"]) == 5 for row in rows)
        assert all(row["summary"] for row in rows if row["words"] > 200)
        states, processed = asyncio.run(_tasks(tmp_path))
        assert states == ["keywords:succeeded,summary:succeeded"] * count
        assert processed == {"extract": count, "keywords": count, "summary": count}

        again = _run(tmp_path, "--agents-elsewhere")
        assert again.returncode == 0, again.stderr
        assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8")) == rows
        assert asyncio.run(_tasks(tmp_path)) == (states, processed)
    finally:
        for worker in workers:
            worker.terminate()
        assert [worker.wait(60) for worker in workers] == [0, 0]


def test_a_document_that_is_no_text_is_reported(tmp_path):
    """The others get through; the run says that one did not, and why."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "good.txt").write_text("The quick brown fox jumps over the lazy dog again. " * 3, encoding="utf-8")
    (folder / "latin.txt").write_bytes("Ein Café in Köln, und noch eines in Münster.".encode("latin-1"))
    done = _run(tmp_path)
    assert done.returncode == 1
    good, latin = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert "fox" in good["keywords"]
    assert latin["error"].startswith("UnicodeDecodeError")


def test_texts_weigh_words_and_sentences():
    """A word that is in every document is no keyword; the sentence with the frequent words is the summary."""
    spec = importlib.util.spec_from_file_location("texts", _PIPELINE / "texts.py")
    assert spec is not None
    assert spec.loader is not None
    texts = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(texts)
    corpus = ["the licence grants rights", "the licence limits liability", "the licence names whales and whales"]
    frequencies = texts.document_frequencies(corpus)
    assert texts.keywords(corpus[2], frequencies, len(corpus), 2) == ["whales", "names"]
    assert frequencies["licence"] == 3
    text = (
        "Whales are large animals that live in water. It rained here last week on Tuesday. Whales eat what water holds."
    )
    assert texts.summary(texts.plain(text), 1) == ["Whales are large animals that live in water."]
    assert texts.plain("# Head\n\nA [link](x) and `code`.\n\n```sh\nrm\n```\n").split() == [
        "Head",
        "A",
        "link",
        "and",
        "code.",
    ]
