"""Every adapter that this distribution registers is judged by its suite."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.ports.notifier import NotifierContext
from omnidaemon.testing.contracts import EventBusContract, NotifierContract, RunStoreContract, StorageContract
from omnidaemon.testing.place import Place

HERE = Path(__file__)


def suites(contract):
    """The test classes below a contract, over all modules of this folder."""
    for path in HERE.parent.glob("test_*.py"):
        if path != HERE:
            importlib.import_module(f"tests.contract.{path.stem}")
    todo, found = [contract], []
    while todo:
        below = todo.pop().__subclasses__()
        todo += below
        found += [each for each in below if each.__name__.startswith("Test")]
    return found


def registered(group):
    return [
        pytest.param(point, id=point.name)
        for point in entry_points(group=group)
        if point.dist is not None and point.dist.name == "omnidaemon"
    ]


@pytest.fixture
def context(tmp_path):
    return Place(data_dir=tmp_path, codec=JsonCodec()).context()


@pytest.mark.parametrize("point", registered("omnidaemon.buses"))
def test_each_registered_bus_has_a_suite(point, context):
    """Making one does no I/O, so a suite is known by what it makes."""
    judged = {type(suite().make_bus(context)) for suite in suites(EventBusContract)}
    assert type(point.load()(context)) in judged


@pytest.mark.parametrize("point", registered("omnidaemon.stores"))
def test_each_registered_store_has_all_suites(point, context):
    """The one class that has them all."""
    judged = {type(suite().make_storage(context)) for suite in suites(StorageContract)}
    assert type(point.load()(context)) in judged


@pytest.mark.parametrize("point", registered("omnidaemon.notifiers"))
def test_each_registered_notifier_has_a_suite(point):
    """As for buses."""
    judged = {type(suite().make_notifier(NotifierContext())) for suite in suites(NotifierContract)}
    assert type(point.load()(NotifierContext())) in judged


def test_entry_points_are_there():
    """An empty list would pass everything."""
    assert {param.id for param in registered("omnidaemon.buses")} >= {"memory", "sqlite"}
    assert {param.id for param in registered("omnidaemon.stores")} >= {"memory", "sqlite"}
    assert {param.id for param in registered("omnidaemon.notifiers")} >= {"http"}


def test_unfilled_hooks_say_what_is_missing(context):
    """A subclass that forgot its hook fails loudly; pytest would silently collect nothing from an abstract one."""
    with pytest.raises(NotImplementedError, match="return your bus"):
        EventBusContract().make_bus(context)
    with pytest.raises(NotImplementedError, match="return your storage"):
        RunStoreContract().make_storage(context)
    with pytest.raises(NotImplementedError, match="return your notifier"):
        NotifierContract().make_notifier(NotifierContext())


def test_missing_codec_says_what_is_missing(tmp_path):
    """At its first use, not before: the memory adapters need none."""
    with pytest.raises(NotImplementedError, match="class attribute `codec`"):
        Place(data_dir=tmp_path).context().codec.encode_payload({})
