"""A virtual environment for each peer, outside of the tree: made once, and anew when its requirements change."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import attrs

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "omnidaemon-benchmarks"


@attrs.frozen
class Peer:
    """What is measured: a module of `peers/`, and the interpreter that has what it needs. `checkout`: whose OmniDaemon
    it is, where it is that."""

    name: str
    module: str
    python: str
    requirements: tuple[str, ...]
    why: str
    checkout: str


def described(module: str) -> tuple[tuple[str, ...], str]:
    """A peer's pinned requirements, and the docstring that says how it is set up and why. Read without importing it:
    this interpreter has none of its libraries."""
    tree = ast.parse((HERE / "peers" / f"{module}.py").read_text(encoding="utf-8"))
    found = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "REQUIREMENTS"
    )
    return tuple(next(found, ())), (ast.get_docstring(tree) or "").replace("\n", " ")


def peer(module: str) -> Peer:
    """The peer, its environment made if it is not there yet."""
    requirements, why = described(module)
    # What needs nothing beyond this checkout runs as this program does.
    python = str(environment(module, requirements)) if requirements else sys.executable
    return Peer(module, module, python, requirements, why, str(HERE.parent))


def other_checkout(path: Path) -> Peer:
    """OmniDaemon as another checkout of it is, for before and after within one run."""
    ours = peer("omnidaemon")
    return attrs.evolve(ours, name=f"omnidaemon at {path.name}", checkout=str(path.resolve()))


def environment(module: str, requirements: tuple[str, ...]) -> Path:
    """The interpreter of an environment with these, made if it is not there yet."""
    digest = hashlib.sha256(" ".join((sys.version, *requirements)).encode()).hexdigest()[:12]
    folder = CACHE / f"{module}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"installing {' '.join(requirements)} into {folder}, once", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "-qqq", "--disable-pip-version-check", *requirements]
        subprocess.run(install, check=True)
        (folder / "complete").touch()
    return python
