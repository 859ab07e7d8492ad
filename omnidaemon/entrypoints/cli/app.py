"""The command `omni`: its tree of commands, each loaded when it is called, and the edge where errors become exits."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from cyclopts import App, Group, Parameter

from omnidaemon.entrypoints.cli.api_options import taken_from
from omnidaemon.entrypoints.cli.banner import print_banner
from omnidaemon.entrypoints.cli.options import json_last

_COMMANDS = "omnidaemon.entrypoints.cli.commands"
_ABOUT = """OmniDaemon: a runtime for background AI agents. Events in, durable runs, results out.

With --api-url URL [--api-key KEY], or OMNIDAEMON_API_URL and OMNIDAEMON_API_KEY, a command asks the server there and
touches nothing on this machine."""

# Group → its help, and its commands with theirs. A command whose name is a Python word has an underscore in its module.
_GROUPS: dict[str, tuple[str, dict[str, str]]] = {
    "task": (
        "Publish tasks, look at them, order them about.",
        {
            "publish": "Publish a task: every agent of the topic gets it.",
            "result": "Show what a task came to, or how far it is.",
            "list_": "List tasks, newest first.",
            "show": "Show everything about a task: payload, runs, errors, history.",
            "cancel": "Cancel a task.",
            "requeue": "Run an ended task again.",
            "delete": "Forget a task.",
        },
    ),
    "agent": (
        "See, start, stop and remove agents.",
        {
            "list_": "List all agents.",
            "get": "Show one agent.",
            "start": "Have stopped agents take work again.",
            "stop": "Have agents take nothing more.",
            "remove": "End an agent's subscription, or hand it to another agent.",
        },
    ),
    "worker": (
        "See the processes that run agents, and have them leave.",
        {"list_": "List workers.", "drain": "Have workers finish what they run, and leave."},
    ),
    "bus": (
        "See what waits on the event bus, and what happens.",
        {
            "list_": "List topics and what waits on them.",
            "dlq": "List the dead letters of a topic.",
            "watch": "Show what happens, as it happens.",
            "purge": "Drop what waits on a topic.",
        },
    ),
    "dlq": (
        "Handle dead letters: tasks that failed for good.",
        {
            "list_": "List dead letters.",
            "show": "Show a dead letter with the error of every attempt.",
            "requeue": "Run dead letters again.",
            "purge": "Remove dead letters for good.",
        },
    ),
    "webhook": (
        "See what is told of ended tasks, and tell it again.",
        {
            "list_": "List webhooks and replies with each attempt to send them.",
            "redeliver": "Send webhooks or replies now, whatever came of them.",
        },
    ),
    "namespace": (
        "Do away with what one installation keeps.",
        {"erase": "Remove everything of a namespace for good."},
    ),
    "config": ("See the settings.", {"show": "Show each setting and where it came from."}),
}
_BEGIN, _ACT, _LOOK, _REST = map(
    Group.create_ordered, ("Begin and run", "Tasks and agents", "The system", "The command itself")
)
_GROUP_OF = {"namespace": _LOOK, "config": _REST}
_SINGLES: tuple[tuple[str, Group, str], ...] = (
    ("init", _BEGIN, "Write an example project into this folder."),
    ("run", _BEGIN, "Run the agents of a file or module."),
    ("dev", _BEGIN, "Run agents, and start them anew when their code changes."),
    ("health", _LOOK, "Say whether bus and store answer."),
    ("metrics", _LOOK, "Show what each agent has done."),
    ("bench", _LOOK, "Measure how fast your bus and store are."),
    ("doctor", _LOOK, "Find what is wrong or weakens durability, and what to do."),
    ("version", _REST, "Show the version."),
)


_GLANCES = frozenset({"--help", "-h", "--version"})
"""With one of these nothing is done, and so nothing loaded."""


def build_app() -> App:
    """The tree of commands. Makes none of them: cyclopts imports a command's module when it is called."""
    app = App(
        name="omni",
        help=_ABOUT,
        version=_version,
        help_format="plaintext",
        help_formatter="default" if sys.stdout.isatty() else "plain",
        default_parameter=Parameter(negative="", show_default=False),
        suppress_keyboard_interrupt=False,
    )
    for name, group, summary in _SINGLES:
        app.command(f"{_COMMANDS}.{name}:{name}", name=name, group=group, help=summary)
    for name, (summary, commands) in _GROUPS.items():
        sub = App(name=name, help=summary, group=_GROUP_OF.get(name, _ACT))
        for function, about in commands.items():
            sub.command(f"{_COMMANDS}.{name}:{function}", name=function.rstrip("_"), help=about)
        app.command(sub)
    app.command(
        f"{_COMMANDS}.completion:install_completion",
        name="--install-completion",
        group=_REST,
        help="Install completion for this shell.",
    )
    for flag in (*app.help_flags, *app.version_flags):
        app[flag].group = (_REST,)
    return app


def _version() -> str:
    from importlib.metadata import version

    return version("omnidaemon")


def load(arguments: Sequence[str]) -> None:
    """Load what the command needs that is probably meant, and would load itself."""
    if _GLANCES.isdisjoint(arguments):
        known = {*_GROUPS, *(name for name, _, _ in _SINGLES)}
        for name in [argument for argument in arguments if argument in known][:1]:
            with contextlib.suppress(ImportError):  # the command will say it
                import_module(f"{_COMMANDS}.{name}")


def run(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code. Errors are told on stderr."""
    _let_any_text_pass()
    try:
        with taken_from(json_last(arguments)) as rest:
            if not rest or rest[0] in {"--help", "-h"}:
                print_banner(sys.stdout)
            code = build_app()(
                rest, print_error=False, exit_on_error=False, verbose=False, result_action="return_value"
            )
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - the edge of the process
        return _ended_by(error, as_json="--json" in arguments)
    return code if isinstance(code, int) else 0


def _ended_by(error: BaseException, *, as_json: bool) -> int:
    from omnidaemon.entrypoints.cli.exit_codes import ExitCode, exit_code
    from omnidaemon.entrypoints.cli.failures import report

    if isinstance(error, SystemExit):
        raise error
    code = exit_code(error)
    if code is ExitCode.BROKEN_PIPE:
        # Whatever is still to be flushed has no reader; the interpreter would complain about it on its way out.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif code is not ExitCode.INTERRUPTED:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            report(error, as_json=as_json)
    return code


def _let_any_text_pass() -> None:
    """No text of a payload or result may fail to print because of the terminal's encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
