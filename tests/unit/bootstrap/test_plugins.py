"""Adapters found by their entry points."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import version

import pytest

from omnidaemon.adapters.http.webhooks import http_notifier
from omnidaemon.adapters.memory import memory_bus, memory_storage
from omnidaemon.bootstrap.plugins import (
    checked_backend,
    known,
    load_bus_factory,
    load_notifier_factory,
    load_storage_factory,
    store_of_bus,
)
from omnidaemon.domain.errors import InvalidSetting, MissingExtra, UnknownBackend


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a distribution on the path: its name, its entry points, and the text of its module."""

    def installing(name, entry_points, module="", *, metadata=""):
        package = name.replace("-", "_")
        info = tmp_path / f"{package}-2.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n{metadata}")
        (info / "entry_points.txt").write_text(entry_points)
        (tmp_path / f"{package}.py").write_text(module)
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()

    yield installing
    for name in ("acme_bus", "other_bus"):
        sys.modules.pop(name, None)


def test_built_in_adapters_are_found_like_all_others():
    """They are declared as entry points too."""
    assert {"memory", "sqlite"} <= set(known("bus"))
    assert {"memory", "sqlite"} <= set(known("store"))
    assert load_bus_factory("memory") is memory_bus
    assert load_storage_factory("memory") is memory_storage


def test_a_third_partys_adapter_is_found(install):
    """Nothing has to be registered but the entry point; an alias is one more."""
    install(
        "acme-bus",
        "[omnidaemon.buses]\nacme_queue = acme_bus:make\nacme = acme_bus:make\n"
        "[omnidaemon.stores]\nacme = acme_bus:keep",
        "def make(context): ...\ndef keep(context): ...",
    )
    assert {"acme", "acme_queue"} <= set(known("bus"))
    assert load_bus_factory("acme") is load_bus_factory("acme_queue")
    assert load_storage_factory("acme").__name__ == "keep"


@pytest.mark.parametrize(("load", "name"), [(load_bus_factory, "kafka"), (load_storage_factory, "mongodb")])
def test_a_planned_name_is_said_to_be_planned(load, name):
    """Whoever read of it learns that it is not there yet, and where the name was set."""
    with pytest.raises(UnknownBackend, match=f"'{name}' .from here. is planned, not there yet; installed: "):
        load(name, "here")


def test_an_unknown_name_lists_the_known_ones():
    """Never a silent fallback."""
    with pytest.raises(UnknownBackend) as caught:
        load_bus_factory("sqlit")
    assert (caught.value.kind, caught.value.name, caught.value.known) == ("bus", "sqlit", known("bus"))
    with pytest.raises(UnknownBackend, match="unknown store 'kafkaesque'; installed: "):
        load_storage_factory("kafkaesque")


def test_a_third_partys_missing_package_names_its_distribution(install):
    """One line says what to install."""
    install("acme-bus", "[omnidaemon.buses]\nacme = acme_bus:make\n", "import acme_wire.client")
    with pytest.raises(MissingExtra) as caught:
        load_bus_factory("acme")
    assert (caught.value.kind, caught.value.name, caught.value.module) == ("bus", "acme", "acme_wire")
    assert caught.value.install == "pip install 'acme-bus==2.0'"
    assert str(caught.value) == "bus 'acme' needs the package 'acme_wire': pip install 'acme-bus==2.0'"


@pytest.mark.parametrize(
    ("metadata", "hint"),
    [("Provides-Extra: kafka\n", "pip install 'omnidaemon[kafka]==2.0'"), ("", "pip install 'omnidaemon==2.0'")],
    ids=["an extra", "part of the plain install"],
)
def test_a_built_in_adapters_missing_package_names_the_extra(install, monkeypatch, metadata, hint):
    """The extra is called like the adapter's folder, and the version is named: an older project has our name."""
    install("omnidaemon", "[omnidaemon.buses]\nkafka = omnidaemon.adapters.kafka:bus\n", metadata=metadata)
    adapter = "omnidaemon.adapters.kafka"
    monkeypatch.setattr(sys, "meta_path", [LacksAPackage(adapter), *sys.meta_path])
    with pytest.raises(MissingExtra) as caught:
        load_bus_factory("kafka")
    assert (caught.value.module, caught.value.install) == ("aiokafka", hint)


class LacksAPackage:
    """An adapter that cannot be imported because the package that it is built on is not there."""

    def __init__(self, adapter):
        self.adapter = adapter

    def find_spec(self, name, path=None, target=None):
        if name == self.adapter:
            raise ModuleNotFoundError("No module named 'aiokafka'", name="aiokafka.errors")


@pytest.mark.parametrize("module", ["import acme_bus.nowhere", "raise ModuleNotFoundError('odd')"])
def test_an_adapter_that_lacks_a_module_of_its_own_is_broken(install, module):
    """No package would mend it, so the error comes as it is."""
    install("acme-bus", "[omnidaemon.buses]\nacme = acme_bus:make\n", module)
    with pytest.raises(ModuleNotFoundError):
        load_bus_factory("acme")


def test_a_name_that_two_packages_offer_is_an_error(install):
    """Which of them is used must not depend on the order of a path."""
    install("acme-bus", "[omnidaemon.buses]\nacme = acme_bus:make\n")
    install("other-bus", "[omnidaemon.buses]\nacme = other_bus:make\n")
    with pytest.raises(InvalidSetting, match=r"not acme-bus \(acme_bus:make\) and other-bus \(other_bus:make\)"):
        load_bus_factory("acme")


def test_the_store_of_a_bus_is_that_of_its_technology(install):
    """Its own name, or what stands before an underscore."""
    install("acme-bus", "[omnidaemon.stores]\nredis = acme_bus:keep\n")
    assert store_of_bus("sqlite") == "sqlite"
    assert store_of_bus("redis_stream") == "redis"
    assert store_of_bus("kafka") is None


def test_a_checked_name_comes_back():
    """A name that is installed passes."""
    assert checked_backend("store", "memory") == "memory"


def test_only_the_chosen_backend_is_imported():
    """Loading the memory bus imports no other technology."""
    program = (
        "import sys; from omnidaemon.bootstrap.plugins import known, load_bus_factory;"
        "known('bus'); load_bus_factory('memory');"
        "print([name for name in sys.modules if name.startswith(('omnidaemon.adapters.sqlite', 'apsw'))])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"


def test_the_installed_version_is_the_checkouts():
    """The hint above names what is installed here."""
    assert version("omnidaemon")


def test_notifiers_are_found_like_buses_and_stores(install):
    """The built-in one among them."""
    assert load_notifier_factory("http") is http_notifier
    install("acme-bus", "[omnidaemon.notifiers]\nacme = acme_bus:notifier\n", "def notifier(context): ...\n")
    assert load_notifier_factory("acme").__module__ == "acme_bus"
    with pytest.raises(UnknownBackend, match=r"unknown notifier 'carrier-pigeon'.*installed: .*http"):
        load_notifier_factory("carrier-pigeon")
