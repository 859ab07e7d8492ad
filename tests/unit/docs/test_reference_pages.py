"""The reference pages, against the code: nothing missing, nothing invented."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import attrs
import pytest

import omnidaemon.errors
from omnidaemon import Context, DeliveryPolicy, OmniDaemonSDK, TaskResult
from omnidaemon.app.executor import Executor
from omnidaemon.bootstrap.settings import Settings, load_settings
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.outcome import ErrorKind
from omnidaemon.entrypoints.cli.exit_codes import ExitCode
from omnidaemon.entrypoints.sync_sdk import SyncSDK
from omnidaemon.harness import TestHarness
from omnidaemon.runners import OmniAgentRunner
from tests.unit.docs.pages import DOCS, code, rows

_REFERENCE = DOCS / "reference"
_SDK = _REFERENCE / "sdk.md"


def _signature(name: str, call: Callable[..., object]) -> str:
    """A call as the page writes it: names in order, a `=` behind those with a default."""
    parts: list[str] = []
    keyword_only = False
    for parameter in list(inspect.signature(call).parameters.values())[1:]:
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            parts.append("*")
            keyword_only = True
        star = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        parts.append(f"{star}{parameter.name}{'' if parameter.default is parameter.empty else '='}")
    return f"{name}({', '.join(parts)})"


def _public(kind: type) -> dict[str, object]:
    """The public members of a class, those of its bases too."""
    return {name: member for name, member in inspect.getmembers(kind) if not name.startswith("_")}


_SECTIONS = ("Agents", "Running", "Publishing", "Tasks", "Webhooks and replies", "Agents and the system")
# Bridges to other parts of the project, not for users.
_INTERNAL = {"publish_from", "publish_with_receipt", "purge_step", "heard_topics", "runtime"}


def test_sdk_page_has_every_call():
    """Each public call of the SDK stands there with its parameters, and nothing else does."""
    told = [code(row[0]) for section in _SECTIONS for row in rows(_SDK, section)]
    calls = {
        name: member
        for name, member in _public(OmniDaemonSDK).items()
        if inspect.isfunction(member) and name not in _INTERNAL
    }
    assert sorted(told) == sorted(_signature(name, call) for name, call in calls.items())


def test_sync_has_what_the_page_says():
    """Everything under the last four headings can be called blocking, and close()."""
    told = {code(row[0]).partition("(")[0] for section in _SECTIONS[2:] for row in rows(_SDK, section)}
    offered = {name for name, member in _public(SyncSDK).items() if inspect.isfunction(member)}
    assert told | {"close"} == offered - {"wait_for", "close_from_loop"}


@pytest.mark.parametrize(
    ("kind", "internal"),
    [(Context, {"request_stop"}), (OmniAgentRunner, set()), (TestHarness, set())],
    ids=["Context", "OmniAgentRunner", "TestHarness"],
)
def test_members_stand_on_the_page(kind, internal):
    """Each public member stands under the heading of its class, a call with its parameters."""
    told = {code(row[0]) for row in rows(_SDK, kind.__name__)}
    members = {
        _signature(name, member) if inspect.isfunction(member) else name
        for name, member in _public(kind).items()
        if name not in internal
    }
    assert told == members


def test_policy_fields_and_defaults():
    """Every field of a policy, in order, with its default."""
    told = [(code(name), default.replace("`", "")) for name, default, _ in rows(_SDK, "DeliveryPolicy")]
    assert told == [
        (field.name, _default(getattr(DeliveryPolicy(), field.name))) for field in attrs.fields(DeliveryPolicy)
    ]


def _default(value: object) -> str:
    if value == ():
        return "none"
    if isinstance(value, tuple):
        return ", ".join(kind.__name__ for kind in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_result_fields():
    """Every field of a result."""
    told = {name for row in rows(_SDK, "TaskResult") for name in re.findall(r"`(\w+)`", row[0])}
    assert told == set(TaskResult.__struct_fields__) | {"is_end"}


def test_settings_page_has_every_setting(tmp_path):
    """Each setting with its variable, its name, and its default as `omni config show` prints it."""
    told = {code(row[0]): (code(row[1]), code(row[2])) for row in rows(_REFERENCE / "settings.md")}
    shown = {
        row.name: row.value for row in load_settings(directory=tmp_path, environ={"HOME": "/home/somebody"}).shown()
    }
    names = {field.metadata["variable"]: field.name for field in attrs.fields(Settings) if "variable" in field.metadata}
    assert {variable: name for variable, (name, _) in told.items()} == names
    depends = {"OMNIDAEMON_DATA_DIR", "RESULT_STORE_TYPE", "OMNIDAEMON_API_ENABLED"}
    assert {v: default for v, (_, default) in told.items() if v not in depends} == {
        v: value for v, value in shown.items() if v not in depends
    }


def test_errors_page_has_every_error():
    """Each error that can be imported from the module that the page names, and what it also is."""
    told = {code(row[0]): code(row[1]) for row in rows(_REFERENCE / "errors.md", "Errors and exit codes")}
    known = {name: getattr(omnidaemon.errors, name) for name in omnidaemon.errors.__all__}
    assert set(told) == set(known)
    for name, kind in known.items():
        assert told[name] in {base.__name__ for base in kind.__mro__[1:]}, name


def test_error_kinds_and_exit_codes():
    """Each kind of an attempt's error, and each exit code."""
    page = _REFERENCE / "errors.md"
    assert {code(row[0]) for row in rows(page, "Errors of an attempt")} == {kind.value for kind in ErrorKind}
    assert {int(row[0]) for row in rows(page, "Exit codes of `omni`")} == {int(exit_code) for exit_code in ExitCode}


def test_metrics_page_has_every_metric():
    """Each count, and the times."""
    told = {code(row[0]) for row in rows(_REFERENCE / "metrics.md")}
    counts = {field.name for field in attrs.fields(Metrics)}
    assert told == counts | {"avg_processing_time_sec", "p95_processing_time_sec"}


def test_the_page_on_time_outs_says_when_what_goes_on_is_told():
    """A function that its time-out does not stop is told of later, not at once."""
    seconds = inspect.signature(Executor).parameters["unstoppable_seconds"].default
    page = (DOCS / "how-to" / "retries-and-timeouts.md").read_text(encoding="utf-8")
    assert f"once it has gone on for {seconds:g} s beyond its time-out" in page
