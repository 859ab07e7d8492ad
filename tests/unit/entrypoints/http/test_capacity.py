"""Whoever waits leaves room for whoever asks."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Iterator

import pytest

from omnidaemon.domain.journal import JournalEvent
from omnidaemon.entrypoints.http.capacity import most_kept
from omnidaemon.entrypoints.http.request_errors import TooBusy
from omnidaemon.entrypoints.http.streams import Streams

FILES = 600


@pytest.fixture
def few_files() -> Iterator[None]:
    """As many as a cautious system lets a process have open, and fewer than streams are wanted."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def no_events() -> AsyncIterator[JournalEvent]:
    events: tuple[JournalEvent, ...] = ()
    for event in events:
        yield event


@pytest.mark.usefixtures("few_files")
async def test_streams_take_a_third_of_the_files_that_may_be_open():
    """With all of them taken no connection would be accepted, and the server would look dead."""
    streams = Streams()
    for _ in range(FILES // 3):
        streams.response(no_events(), on_pause=lambda: None)
    with pytest.raises(TooBusy):
        streams.response(no_events(), on_pause=lambda: None)


@pytest.mark.parametrize(("wanted", "kept"), [(10, 10), (FILES, FILES // 3)])
@pytest.mark.usefixtures("few_files")
def test_no_more_than_wanted(wanted, kept):
    assert most_kept(wanted) == kept
