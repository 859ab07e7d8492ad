"""Redis servers that are run otherwise: encrypted, as a cluster, for a user of few rights."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import redis

from tests.servers.redis_servers import PrivateRedis, binary, free_port, missing
from tests.unit.docs.pages import ROOT

PAGE = ROOT / "docs" / "how-to" / "redis.md"
PASSWORD = "right"  # noqa: S105 - of a server that lives for one test
_SLOTS = 16384


def documented_user(namespace: str, *, has_buses: bool = False) -> list[str]:
    """The words of the page's ACL SETUSER for this namespace, with those for the buses or without."""
    page = PAGE.read_text()
    (command,) = re.findall(r"^ACL SETUSER [^`]*", page, re.MULTILINE)
    (more,) = re.findall(r"For the buses add\n\n```\n([^`]*)", page)
    words = f"{command} {more if has_buses else ''}".replace("\\\n", " ").replace("{omni}", f"{{{namespace}}}").split()
    return [f">{PASSWORD}" if word.startswith(">") else word for word in words]


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate that has signed itself, for 127.0.0.1, and its key."""
    files = folder / "own-ca.pem", folder / "key.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*command.split(), "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


@contextlib.contextmanager
def encrypted(folder: Path, certificate: tuple[Path, Path]) -> Iterator[str]:
    """Where a server answers that knows TLS."""
    ca, key = map(str, certificate)
    port = free_port()
    options = ("--tls-cert-file", ca, "--tls-key-file", key, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no")
    if not _goes_on(binary(), "--port", "0", "--tls-port", str(port), "--dir", str(folder), *options):
        missing(f"{binary()} was built without TLS")
    server = PrivateRedis(binary(), folder, "--tls-port", str(port), *options)
    server.start()
    yield f"rediss://127.0.0.1:{port}/0"
    server.stop(signal.SIGKILL)


def _goes_on(*command: str) -> bool:
    try:
        subprocess.run(command, timeout=1, stdout=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        return True
    return False


class Cluster:
    """Nodes that share the slots evenly."""

    def __init__(self, nodes: Sequence[PrivateRedis]) -> None:
        self.nodes = nodes
        self._share = _SLOTS // len(nodes) + 1

    def start(self) -> None:
        """Start all and have them meet; `is_whole` says when they have."""
        for number, node in enumerate(self.nodes):
            node.start()
            last = min(_SLOTS, (number + 1) * self._share) - 1
            with redis.Redis.from_url(node.url) as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * self._share, last)
        with redis.Redis.from_url(self.nodes[0].url) as client:
            (bus_port,) = client.config_get("cluster-port").values() or (self.nodes[0].port + 10000,)
        for node in self.nodes[1:]:
            with redis.Redis.from_url(node.url) as client:
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, bus_port)

    async def is_whole(self) -> bool:
        """Whether each node knows all, and none lacks anything."""

        def state(node: PrivateRedis) -> tuple[str, str]:
            with contextlib.closing(redis.Redis.from_url(node.url)) as client:
                told = client.cluster("INFO")
                return told["cluster_state"], told["cluster_known_nodes"]

        return {state(node) for node in self.nodes} == {("ok", str(len(self.nodes)))}

    def holder(self, namespace: str) -> PrivateRedis:
        """The node that has this namespace's keys."""
        with redis.Redis.from_url(self.nodes[0].url) as client:
            slot: int = client.cluster("KEYSLOT", f"{{{namespace}}}")
        return self.nodes[slot // self._share]


@contextlib.contextmanager
def cluster(folder: Path, count: int) -> Iterator[Cluster]:
    """So many nodes, on free ports."""
    nodes = []
    for number in range(count):
        (place := folder / f"node-{number}").mkdir()
        nodes.append(PrivateRedis(binary(), place, "--cluster-enabled", "yes", "--cluster-port", str(free_port())))
    made = Cluster(nodes)
    try:
        made.start()
        yield made
    finally:
        for node in nodes:
            node.stop(signal.SIGKILL)
