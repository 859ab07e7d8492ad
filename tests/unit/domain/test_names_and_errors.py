"""Names that every backend can carry, and messages that say what to do."""

from __future__ import annotations

import inspect

import pytest

from omnidaemon.domain import errors
from omnidaemon.domain.errors import OmniDaemonError
from omnidaemon.domain.names import Subscription, checked_name, is_topic_like


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "x" * 200, "..", "-"])
def test_good_names_are_given_back(name):
    """Letters, digits, dot, underscore and hyphen."""
    assert checked_name("topic", name) == name


@pytest.mark.parametrize("name", ["", "x" * 201, "a b", "a/b", "a\n", "é", "a*", "a:b", None, 3, b"a"])
def test_bad_names_are_refused(name):
    """The error shows the name and what may be in one."""
    with pytest.raises(errors.InvalidName, match="is not a valid topic: use 1 to 200"):
        checked_name("topic", name)


def test_subscription_is_a_pair_of_good_names():
    """It sorts, prints and compares by them."""
    assert str(Subscription.checked("b", "a")) == "b/a"
    assert Subscription("a", "z") < Subscription("b", "a")
    with pytest.raises(errors.InvalidName, match="agent name"):
        Subscription.checked("a", "")
    with pytest.raises(errors.InvalidName, match="topic"):
        Subscription.checked("", "a")


MESSAGES = [
    (errors.InvalidName("topic", "a b"), "'a b' is not a valid topic"),
    (errors.InvalidValue("limit", 0, "at least 1"), "limit is 0, expected at least 1"),
    (errors.PayloadNotJson("a set"), "not JSON: a set"),
    (
        errors.PayloadTooLarge(2_000_000, 1_048_576),
        "1.9 MiB (2,000,000 bytes), the limit is 1 MiB (OMNIDAEMON_PAYLOAD_MAX_BYTES=1048576)",
    ),
    (errors.DuplicateAgent("t", "a"), "give one of them another name="),
    (errors.InvalidSetting("PORT", "x", "a number", ".env"), "PORT='x' (from .env): expected a number"),
    (errors.UnknownSetting("prot", "omnidaemon.toml", "port"), "in omnidaemon.toml; did you mean port?"),
    (errors.UnknownSetting("prot", "omnidaemon.toml"), "unknown setting 'prot' in omnidaemon.toml"),
    (errors.UnknownBackend("bus", "x", ("memory", "sqlite")), "unknown bus 'x'; installed: memory, sqlite"),
    (
        errors.UnknownBackend("bus", "x", ("y",), ".env", suggestion="y"),
        "'x' (from .env); installed: y; did you mean y?",
    ),
    (errors.UnknownBackend("bus", "x", ("y",), is_planned=True), "the bus 'x' is planned, not there yet"),
    (errors.MissingExtra("bus", "redis", "redis", "pip install x"), "needs the package 'redis': pip install x"),
    (errors.MismatchedPair("kafka", "memory", "it is lossy"), "it is lossy; set OMNIDAEMON_ALLOW_MISMATCH=true"),
    (errors.AgentFileError("a.py", "no SDK in it"), "a.py: no SDK in it"),
    (errors.TaskNotFound("t1"), "no task 't1': never published here"),
    (errors.TaskNotFound("t1", "a"), "no task 't1' for agent 'a'"),
    (errors.NotificationNotFound("webhook-1"), "no webhook or reply 'webhook-1'; `omni webhook list`"),
    (errors.AgentNotFound("t", "a"), "no agent 'a' on topic 't'; `omni agent list`"),
    (errors.WorkerNotFound("w1"), "no worker 'w1'; `omni worker list`"),
    (errors.WrongState("cancel", "t1", "dead"), "cannot cancel task 't1': it is dead"),
    (errors.AgentBusy("t", "a", 1), "is executing 1 run;"),
    (errors.AgentBusy("t", "a", 2), "is executing 2 runs;"),
    (errors.AgentInUse("t", "a", 1), "a live worker runs agent 'a' on topic 't'"),
    (errors.AgentInUse("t", "a", 2), "2 live workers run agent 'a'"),
    (errors.NamespaceInUse(1), "a worker lives in this namespace: stop them first"),
    (errors.NamespaceInUse(2), "2 workers live in this namespace"),
    (errors.NamespaceNotFound("n", "bus redis"), "nothing is kept of a namespace 'n' (bus redis)"),
    (errors.NotErasable("folder"), "'folder' offers no way to erase a namespace"),
    (errors.IdempotencyConflict("k", "t1"), "belongs to task 't1'"),
    (errors.StaleRequest("w:claim:1"), "w:claim:1 came after a later one"),
    (errors.AlreadyStarted("too late"), "too late"),
    (errors.BlockingCall("sdk.sync", "await it"), "sdk.sync blocks, and this thread runs an event loop: await it"),
    (errors.NotMainThread("sdk.run()", "start it"), "sdk.run() takes the process's signals"),
    (errors.WaitTimedOut("t1", 2.5, "running"), "still running after 2.5 s"),
    (errors.BackendUnavailable("sqlite", "a.db", "locked"), "sqlite at a.db: locked"),
    (errors.BackendUnusable("sqlite", "a.db", "corrupt", "restore it"), "corrupt; restore it"),
    (errors.DataLost("redis", "here", "LOST TASKS"), "redis at here: LOST TASKS"),
    (errors.WaitTimedOut("t1", 3.0, "queued", "no agent"), "task t1 is still queued after 3 s: no agent"),
    (errors.PublishFailed("t1", "gone"), "it was not published: gone"),
    (errors.NobodyListens("t1", "nobody listens"), "it was not published: nobody listens"),
    (errors.PublishFailed("t1", "gone", is_unknown=True), "it is unknown whether it arrived: gone"),
]


@pytest.mark.parametrize(("error", "message"), MESSAGES, ids=lambda value: type(value).__name__)
def test_message_is_derived_from_the_attributes(error, message):
    """It names what happened and, where something can be done, what."""
    assert message in str(error)


def test_every_error_is_an_omnidaemon_error_with_a_message_here():
    """One root; none is left out of the table above."""
    kinds = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)}
    assert all(issubclass(kind, OmniDaemonError) for kind in kinds)
    shown = {parent for error, _ in MESSAGES for parent in type(error).__mro__}
    assert kinds <= shown


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.InvalidInput, ValueError),
        (errors.NotFound, LookupError),
        (errors.WaitTimedOut, TimeoutError),
    ],
)
def test_errors_are_also_what_python_calls_them(kind, builtin):
    """Who catches the built-in error catches ours."""
    assert issubclass(kind, builtin)


def test_transient_errors_are_those_worth_another_try():
    """The same call may succeed later."""
    transient = {type(error).__name__ for error, _ in MESSAGES if error.is_transient}
    assert transient == {"WaitTimedOut", "BackendUnavailable", "DataLost", "NobodyListens", "PublishFailed"}


@pytest.mark.parametrize(
    ("topic", "pattern", "is_like"),
    [
        ("document.made", "document.*", True),
        ("document.made.twice", "document.*", True),
        ("document", "document.*", False),
        ("document.made", "document.made", True),
        ("document.made", "Document.*", False),
        ("page.1", "page.[0-9]", True),
        ("page.12", "page.?", False),
    ],
)
def test_topics_are_chosen_by_patterns(topic, pattern, is_like):
    """With the wildcards of a shell; a star takes in dots, and letters are not folded."""
    assert is_topic_like(topic, pattern) is is_like
