"""Where the worker processes of these tests work: on SQLite or on Redis, in data of the test's own."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from omnidaemon import OmniDaemonSDK, Settings, load_settings

WORKER = Path(__file__).parent / "worker.py"
SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode()
_OURS = ("OMNIDAEMON_", "EVENT_BUS_", "RESULT_STORE_", "REDIS_")


@attrs.define
class Site:
    """An installation of OmniDaemon: its settings, as environment for processes and for this one."""

    folder: Path
    environ: dict[str, str]
    _processes: list[subprocess.Popen[bytes]] = attrs.field(factory=list)

    def settings(self) -> Settings:
        return load_settings(directory=self.folder, environ={"HOME": str(self.folder), **self.environ})

    def sdk(self) -> OmniDaemonSDK:
        """To publish and to look."""
        return OmniDaemonSDK(settings=self.settings())

    def worker(self, **environ: str) -> subprocess.Popen[bytes]:
        """A worker process, begun; what it says is in `logs()`."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        with (self.folder / f"worker-{len(self._processes):02}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "omnidaemon.entrypoints.cli", "run", str(WORKER)],
                cwd=self.folder,
                env={**clean, **self.environ, **environ},
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """As the machine does when it runs out of memory."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("worker-*.log")))

    def close(self) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()


@pytest.fixture(params=["sqlite", "redis"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Both technologies, one after the other."""
    environ = {
        "EVENT_BUS_TYPE": "sqlite" if request.param == "sqlite" else "redis_stream",
        "OMNIDAEMON_DATA_DIR": str(tmp_path / "data"),
        "OMNIDAEMON_WEBHOOK_SECRET": SECRET,
    }
    if request.param == "redis":
        environ["REDIS_URL"] = request.getfixturevalue("private_redis").url
        environ["OMNIDAEMON_WEBHOOK_ALLOW"] = "127.0.0.1"  # others could publish there too
    site = Site(tmp_path, environ)
    yield site
    site.close()
