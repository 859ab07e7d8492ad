"""The folders and files: knows nothing of tasks or of OmniDaemon, and may block.

    ROOT/lock                              shared by publishers, exclusive for whoever changes the folders of agents
    ROOT/inboxes/ID                        locked by its worker for as long as it lives
    ROOT/topic=T/waiting/MESSAGE           published before the topic had an agent
    ROOT/topic=T/agent=A/new/MESSAGE       waits for the agent
    ROOT/topic=T/agent=A/held=ID/MESSAGE   received by the inbox ID and not acked yet

A rename within one file system is atomic: of two workers that want the same file, one gets it and the other is told
that it is gone. The kernel lets go of a dead process's locks, so an inbox whose lock can be taken has no worker any
more. Names of topics and agents stand behind a prefix, since `..` is a valid one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO


class Spool:
    """Messages in folders, oldest first by their names. Raises `OSError`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Make what must be there."""
        (self.root / "inboxes").mkdir(parents=True, exist_ok=True)
        (self.root / "lock").touch()

    # --- publishers ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def publishing(self) -> Iterator[None]:
        """While this lasts, no agent comes or goes."""
        with _locked(self.root / "lock", fcntl.LOCK_SH):
            yield

    def write(self, content: bytes) -> Path:
        """A draft on the disk, in nobody's folder yet."""
        draft = self.root / f"draft-{uuid.uuid4().hex}"
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return draft

    def hand_out(self, draft: Path, topic: str, name: str) -> int:
        """Link a draft into the folder of each agent, or into that of what waits for the first one: a link is there
        whole or not at all. How many agents there are."""
        agents = self.agents(topic)
        for folder in [self._new(topic, agent) for agent in agents] or [self._waiting(topic)]:
            _make(folder)
            (folder / name).hardlink_to(draft)
            _sync(folder)
        return len(agents)

    # --- agents -------------------------------------------------------------------------------------------------------

    def declare(self, agents: Sequence[tuple[str, str, bool]]) -> None:
        """Make each (topic, agent, whether it gets the backlog) exist. Repeated after it broke off, it goes on."""
        with _locked(self.root / "lock"):
            for topic, agent, gets_backlog in agents:
                if not self._new(topic, agent).exists():
                    self._declare(topic, agent, _messages(self._waiting(topic)) if gets_backlog else [])
            # Last, so that the call finds the backlog again when it is repeated.
            for topic in {topic for topic, _, gets_backlog in agents if gets_backlog}:
                shutil.rmtree(self._waiting(topic), ignore_errors=True)

    def _declare(self, topic: str, agent: str, backlog: Iterable[Path]) -> None:
        """Make the agent's folder aside, with the backlog in it, and give it its name at the end."""
        draft = self.root / f"draft-{uuid.uuid4().hex}"
        (draft / "new").mkdir(parents=True)
        for message in backlog:
            (draft / "new" / message.name).hardlink_to(message)
        _sync(draft / "new")
        _make(self._topic(topic))
        draft.rename(self._new(topic, agent).parent)
        _sync(self._topic(topic))

    def retire(self, topic: str, agent: str) -> None:
        """Remove an agent with all that waits for it."""
        with _locked(self.root / "lock"):
            shutil.rmtree(self._new(topic, agent).parent, ignore_errors=True)

    def purge(self, topic: str) -> int:
        """Drop what waits on a topic; how many messages that were."""
        with _locked(self.root / "lock"):
            folders = [self._waiting(topic), *(self._new(topic, agent) for agent in self.agents(topic))]
            return sum(self.drop(message) for folder in folders for message in _messages(folder))

    # --- inboxes ------------------------------------------------------------------------------------------------------

    def open_inbox(self, name: str) -> IO[bytes]:
        """A locked file that tells everybody that this inbox lives."""
        with _locked(self.root / "inboxes"):
            file = (self.root / "inboxes" / name).open("wb")
            fcntl.flock(file, fcntl.LOCK_EX)
            return file

    def claim(self, topic: str, agent: str, inbox: str, most: int) -> Iterator[tuple[Path, bytes]]:
        """Move the oldest messages into the inbox's own folder; one that is gone belongs to another worker."""
        new = self._new(topic, agent)
        held = new.parent / f"held={inbox}"
        for message in _messages(new) if most > 0 else ():
            with contextlib.suppress(FileNotFoundError):
                content = message.read_bytes()
                held.mkdir(exist_ok=True)
                yield message.rename(held / message.name), content
                most -= 1
                if most == 0:
                    return

    def drop(self, message: Path) -> bool:
        """Remove a message; whether it was still there."""
        try:
            message.unlink()
        except FileNotFoundError:
            return False
        return True

    def give_back(self, inbox: str) -> None:
        """Put what this inbox holds where it was, under the names that give it its place in the order."""
        for held in self.root.glob(f"topic=*/agent=*/held={inbox}"):
            for message in _messages(held):
                with contextlib.suppress(FileNotFoundError):  # retired meanwhile: nobody wants it any more
                    message.rename(held.parent / "new" / message.name)
            shutil.rmtree(held, ignore_errors=True)
        (self.root / "inboxes" / inbox).unlink(missing_ok=True)

    def recover(self) -> None:
        """Give back what inboxes hold whose processes are gone."""
        with _locked(self.root / "inboxes"):
            for inbox in list((self.root / "inboxes").iterdir()):
                with inbox.open("wb") as file, contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self.give_back(inbox.name)

    # --- places -------------------------------------------------------------------------------------------------------

    def topics(self) -> list[str]:
        """Every topic that has an agent or something waiting."""
        return [folder.name.removeprefix("topic=") for folder in self.root.glob("topic=*")]

    def agents(self, topic: str) -> list[str]:
        """The topic's agents."""
        return [folder.name.removeprefix("agent=") for folder in self._topic(topic).glob("agent=*")]

    def count(self, topic: str, agent: str | None) -> tuple[int, int]:
        """How many messages wait for the agent, and how many are held; with None those that wait for the first
        agent."""
        if agent is None:
            return len(_messages(self._waiting(topic))), 0
        new = self._new(topic, agent)
        return len(_messages(new)), sum(len(_messages(held)) for held in new.parent.glob("held=*"))

    def _topic(self, topic: str) -> Path:
        return self.root / f"topic={topic}"

    def _waiting(self, topic: str) -> Path:
        return self._topic(topic) / "waiting"

    def _new(self, topic: str, agent: str) -> Path:
        return self._topic(topic) / f"agent={agent}" / "new"


@contextlib.contextmanager
def _locked(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold the lock of a file or a folder; waits for it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def _messages(folder: Path) -> list[Path]:
    """The messages in a folder, oldest first; none when there is no such folder."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _make(folder: Path) -> None:
    """Make a folder and those above it, such that their names outlive a power failure."""
    if not folder.exists():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Have the names in a folder outlive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
