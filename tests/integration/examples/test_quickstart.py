"""The demonstration that `make demo` gives."""

from __future__ import annotations

import sys

from tests.integration.examples.theatre import clean_environment, finished
from tests.unit.docs.pages import ROOT

_DEMO = ROOT / "examples" / "quickstart" / "demo.py"


def test_demo_shows_its_results(tmp_path):
    """It ends well, shows each result, and heeds no server that this machine is set to."""
    environment = clean_environment(tmp_path, EVENT_BUS_TYPE="redis_stream", RESULT_STORE_TYPE="redis")
    done = finished([sys.executable, _DEMO], environment, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for shown in ("Hello, Alice!", "Hello, Bob!", "All is well in Lagos.", "All as promised"):
        assert shown in done.stdout
    assert not list(tmp_path.iterdir())


def test_demo_fails_when_something_is_off(tmp_path):
    """A demonstration that shows no result must not look like one."""
    demo = tmp_path / "demo.py"
    demo.write_text(_DEMO.read_text(encoding="utf-8"), encoding="utf-8")
    agents = (_DEMO.parent / "agents.py").read_text(encoding="utf-8")
    (tmp_path / "agents.py").write_text(agents.replace("Hello", "Goodbye"), encoding="utf-8")
    done = finished([sys.executable, demo], clean_environment(tmp_path), tmp_path)
    assert done.returncode != 0
    assert "Goodbye, Alice!" in done.stderr
