"""What goes wrong at the command line: a clear message, the right exit code, and nothing lost."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.integration.backends.conftest import DURABLE, over
from tests.servers.amounts import amount
from tests.servers.backends import Backends
from tests.servers.workshop import OMNI, Workshop

USAGE, FAILED, NOT_FOUND, UNREACHABLE = 2, 1, 3, 4


ON_SQLITE = over([("sqlite", "sqlite")])


@pytest.fixture
def shell(workshop: Workshop) -> Workshop:
    """A shell in an empty folder."""
    return workshop


@pytest.fixture
def data(backends: Backends) -> Path:
    """The data directory."""
    return Path(backends.variables["OMNIDAEMON_DATA_DIR"])


@pytest.fixture
def database(data: Path, backends: Backends) -> Path:
    """The file that everything is in."""
    return data / f"{backends.variables['OMNIDAEMON_NAMESPACE']}.db"


@over(amount([("sqlite", "sqlite")], DURABLE))
@pytest.mark.parametrize(
    ("code", "words", "arguments"),
    [
        (USAGE, "line 1, column", ["task", "publish", "greet.user", '{"name": ']),
        (USAGE, "not a valid topic", ["task", "publish", "greet user", "{}"]),
        (USAGE, "not a valid topic", ["task", "publish", "greet/../user", "{}"]),
        (USAGE, "no such file", ["run", "nowhere.py"]),
        (USAGE, "no module", ["run", "nowhere.at.all"]),
        (NOT_FOUND, "no task 'nothing'", ["task", "result", "nothing"]),
        (NOT_FOUND, "no agent 'nobody'", ["agent", "stop", "greet.user", "nobody"]),
    ],
)
def test_wrong_use(shell: Workshop, code: int, words: str, arguments: list[str]) -> None:
    """What a person gets wrong is told before anything is stored."""
    shell.refuses(code, words, *arguments)
    assert json.loads(shell.omni("task", "list", "--json").stdout) == {"tasks": [], "cursor": None}


@over(DURABLE)
def test_a_payload_above_the_limit(shell: Workshop) -> None:
    """A payload that is too large is refused with both sizes and what to do instead."""
    (shell.folder / "large.json").write_text('"' + "x" * 2**20 + '"')
    shell.refuses(USAGE, "1 MiB (1,048,578 bytes), the limit is 1 MiB", "task", "publish", "t", "@large.json")


@ON_SQLITE
def test_a_bus_whose_library_is_missing(shell: Workshop) -> None:
    """An adapter that is there, but not what it needs, gives the one line that installs it."""
    facts = shell.folder / "ghost_bus-2.1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: ghost-bus\nVersion: 2.1\n")
    (facts / "entry_points.txt").write_text("[omnidaemon.buses]\nghost = ghost_bus:make\n")
    (shell.folder / "ghost_bus.py").write_text("import ghostly_client\n")
    environment = {"EVENT_BUS_TYPE": "ghost", "PYTHONPATH": str(shell.folder)}
    shell.refuses(USAGE, "pip install", "task", "publish", "t", "1", **environment)
    shell.refuses(USAGE, "ghostly_client", "task", "publish", "t", "1", **environment)


@ON_SQLITE
@pytest.mark.parametrize(
    ("words", "environment"),
    [
        ("installed: ", {"EVENT_BUS_TYPE": "carrier_pigeon"}),
        ("installed: ", {"RESULT_STORE_TYPE": "shoebox"}),
        ("OMNIDAEMON_RESULT_TTL", {"OMNIDAEMON_RESULT_TTL": "soon"}),
        ("OMNIDAEMON_LOG_LEVEL", {"OMNIDAEMON_LOG_LEVE": "DEBUG"}),
        ("OMNIDAEMON_ALLOW_MISMATCH", {"RESULT_STORE_TYPE": "memory"}),
    ],
)
def test_wrong_settings(shell: Workshop, words: str, environment: dict[str, str]) -> None:
    """A setting that cannot be used is named, with what it may be; there is no silent fallback."""
    shell.refuses(USAGE, words, "task", "publish", "greet.user", "1", **environment)


@ON_SQLITE
@pytest.mark.parametrize(
    ("words", "source"),
    [
        ("line 2", "from omnidaemon import OmniDaemonSDK\nsdk = = OmniDaemonSDK()\n"),
        ("no OmniDaemonSDK", "x = 1\n"),
        ("has no agents", "from omnidaemon import OmniDaemonSDK\nsdk = OmniDaemonSDK()\n"),
        ("ModuleNotFoundError", "import a_module_that_nobody_has\n"),
        ("sys.exit(3)", "import sys\nsys.exit(3)\n"),
        (
            "registered twice",
            "from omnidaemon import OmniDaemonSDK\n"  # noqa: ISC004 - one source file, line by line
            "sdk = OmniDaemonSDK()\n"
            "for _ in range(2):\n    @sdk.agent('t')\n    def one(payload): return 1\n",
        ),
    ],
)
def test_files_without_agents(shell: Workshop, words: str, source: str) -> None:
    """A file that cannot be run is told by what is wrong in it."""
    (shell.folder / "agents.py").write_text(source)
    shell.refuses(USAGE, words, "run", "agents.py")


# --- the database file ------------------------------------------------------------------------------------------------


@pytest.fixture
def used(shell: Workshop) -> Workshop:
    """A shell whose file holds a task."""
    assert shell.omni("task", "publish", "greet.user", '"kept"').returncode == 0
    return shell


@ON_SQLITE
def test_a_file_that_is_no_database(shell: Workshop, data: Path, database: Path) -> None:
    """A corrupt file is refused and left as it is."""
    data.mkdir()
    database.write_bytes(b"this was a database once" * 1000)
    before = database.read_bytes()
    shell.refuses(UNREACHABLE, str(database), "task", "publish", "greet.user", "1")
    assert database.read_bytes() == before


@ON_SQLITE
def test_a_file_of_a_newer_version(used: Workshop, database: Path) -> None:
    """A file that a newer version has written is refused with what to do, and read again by who knows it."""
    with apsw.Connection(str(database)) as connection:
        version = connection.pragma("user_version")
        connection.pragma("user_version", 4711)
    used.refuses(UNREACHABLE, "4711", "task", "list")
    with apsw.Connection(str(database)) as connection:
        connection.pragma("user_version", version)
    assert "greet.user" in used.omni("task", "list").stdout


@ON_SQLITE
def test_a_locked_file(used: Workshop, database: Path) -> None:
    """While another program holds the file, publishing fails as a passing thing; afterwards it works."""
    connection = apsw.Connection(str(database))
    connection.execute("BEGIN EXCLUSIVE")
    used.refuses(UNREACHABLE, "lock", "task", "publish", "greet.user", '"refused"')
    connection.execute("ROLLBACK")
    connection.close()
    assert used.omni("task", "publish", "greet.user", '"again"').returncode == 0
    assert used.omni("task", "list").stdout.count("queued") == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte and a half."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1536k", "tmpfs", str(folder)], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system is not permitted here: it takes root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@ON_SQLITE
def test_a_full_disk(shell: Workshop, small_disk: Path) -> None:
    """A full disk is told as what it is; what was confirmed before is there, and with room again it goes on."""
    environment = {"OMNIDAEMON_DATA_DIR": str(small_disk)}
    assert shell.omni("task", "publish", "greet.user", '"first"', **environment).returncode == 0
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space"):
        _fill(filler)
    (shell.folder / "large.json").write_text('"' + "x" * 300_000 + '"')
    shell.refuses(UNREACHABLE, "full", "task", "publish", "greet.user", "@large.json", **environment)
    filler.unlink()
    assert shell.omni("task", "publish", "greet.user", '"second"', **environment).returncode == 0
    assert shell.omni("task", "list", **environment).stdout.count("queued") == 2


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)


@over(DURABLE)
def test_a_result_that_cannot_be_encoded(shell: Workshop) -> None:
    """The call was paid for: its value is kept as text in a final error."""
    (shell.folder / "agents.py").write_text(
        "from omnidaemon import OmniDaemonSDK\nsdk = OmniDaemonSDK()\n"
        "@sdk.agent('t')\ndef odd(payload):\n    return {'stream': iter([payload])}\n"
    )
    worker = subprocess.Popen(
        [*OMNI, "run", "agents.py"],
        cwd=shell.folder,
        env=shell.environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        done = shell.omni("task", "publish", "t", "1", "--wait", "--timeout", "30")
        assert done.returncode == FAILED
        assert "list_iterator" in done.stdout + done.stderr
    finally:
        worker.terminate()
        worker.wait()
