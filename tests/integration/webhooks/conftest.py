"""Where the worker processes of these tests work: on SQLite or on Redis, in data of the test's own."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from omnidaemon import OmniDaemonSDK, Settings, load_settings
from tests.integration.programs import OMNI, Program

WORKER = Path(__file__).parent / "worker.py"
SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode()
_OURS = ("OMNIDAEMON_", "EVENT_BUS_", "RESULT_STORE_", "REDIS_")


@attrs.define
class Site:
    """An installation of OmniDaemon: its settings, as environment for processes and for this one."""

    folder: Path
    environ: dict[str, str]
    _workers: list[Program] = attrs.field(factory=list)

    def settings(self) -> Settings:
        return load_settings(directory=self.folder, environ={"HOME": str(self.folder), **self.environ})

    def sdk(self) -> OmniDaemonSDK:
        """To publish and to look."""
        return OmniDaemonSDK(settings=self.settings())

    def worker(self, **environ: str) -> Program:
        """A worker process, begun."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        command = (*OMNI, "run", str(WORKER))
        self._workers.append(Program(command, self.folder, {**clean, **self.environ, **environ}))
        return self._workers[-1]

    def logs(self) -> str:
        """What all workers have said."""
        return "\n".join(worker.said for worker in self._workers)

    def close(self) -> None:
        """End what still runs."""
        for worker in self._workers:
            worker.kill()


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
