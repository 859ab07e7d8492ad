"""Finding the SDK objects in a file of agents or an importable module."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from omnidaemon.domain.errors import AgentFileError, ConfigurationError, OmniDaemonError
from omnidaemon.domain.names import Subscription
from omnidaemon.entrypoints.excerpts import excerpt
from omnidaemon.entrypoints.importing import importing
from omnidaemon.entrypoints.registration import NO_AGENTS
from omnidaemon.entrypoints.sdk import OmniDaemonSDK


def load_sdks(target: str) -> list[OmniDaemonSDK]:
    """The SDK objects at module level of `agents.py`, `package.module`, or the one named by `package.module:sdk`.

    The module is not imported as `__main__`, so a guarded `sdk.run()` does not run, and an unguarded one does nothing.
    Raises `AgentFileError` for what is not there, cannot be imported, or has no SDK with an agent.
    """
    name, _, attribute = target.partition(":")
    found = _sdks_of(_import(name))
    if not found:
        raise AgentFileError(target, "there is no OmniDaemonSDK at module level; make one with `sdk = OmniDaemonSDK()`")
    if attribute:
        if attribute not in found:
            reason = f"the module has no OmniDaemonSDK called {attribute!r}; it has {', '.join(found)}"
            raise AgentFileError(target, reason)
        found = {attribute: found[attribute]}
    # One object may have several names; its first one counts.
    named = {sdk: name for name, sdk in reversed(found.items()) if sdk.registration.agents}
    if not named:
        raise AgentFileError(target, NO_AGENTS)
    sdks = list(reversed(named))
    _refuse_twins(target, {named[sdk]: sdk for sdk in sdks})
    return sdks


def _sdks_of(module: ModuleType) -> dict[str, OmniDaemonSDK]:
    return {name: value for name, value in vars(module).items() if isinstance(value, OmniDaemonSDK)}


def _refuse_twins(target: str, sdks: Mapping[str, OmniDaemonSDK]) -> None:
    """Two SDK objects that have the same agent would share its tasks between them, whichever of its functions that
    is."""
    owners: dict[Subscription, str] = {}
    for name, sdk in sdks.items():
        for subscription in sdk.registration.agents:
            owner = owners.setdefault(subscription, name)
            if owner != name:
                raise AgentFileError(
                    target,
                    f"its SDK objects {owner} and {name} both have an agent {subscription.agent!r} on topic "
                    f"{subscription.topic!r}: keep one of the objects, give one of the agents another name=, or run "
                    f"one object alone: omni run {target}:{owner}",
                )


def _import(name: str) -> ModuleType:
    try:
        with importing():
            return _import_file(Path(name)) if name.endswith(".py") else _import_module(name)
    except ConfigurationError:  # it says itself what is wrong, and it is not the file
        raise
    except OmniDaemonError as error:
        raise AgentFileError(name, str(error)) from error
    except SyntaxError as error:
        raise AgentFileError(name, _mistake(name, error)) from error
    except Exception as error:
        raise AgentFileError(name, f"importing it failed:\n{_own_traceback(error)}") from error
    except SystemExit as error:
        raise AgentFileError(name, f"importing it called sys.exit({error.code!r})") from error


def _import_file(path: Path) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise AgentFileError(str(path), "there is no such file")
    # As with `python agents.py`, modules beside the file can be imported by it.
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise AgentFileError(str(path), "it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _import_module(name: str) -> ModuleType:
    if os.sep in name or not all(name.split(".")):
        is_folder = Path(name).is_dir()
        reason = "that is a folder" if is_folder else "it is no file that ends in .py, and no module can be called so"
        raise AgentFileError(name, f"{reason}; name the file of your agents: omni run agents.py")
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(error.name):
            raise AgentFileError(name, f"there is no module {error.name!r}; a file is named with its .py") from error
        raise


def _mistake(name: str, error: SyntaxError) -> str:
    """Where Python could not go on reading, with the line; it may be in a file that this one imports."""
    is_elsewhere = error.filename is not None and Path(error.filename).resolve() != Path(name).resolve()
    place = f"line {error.lineno}{f' of {error.filename}' if is_elsewhere else ''}"
    line = (error.text or "").rstrip()
    indented = len(line) - len(line.lstrip())
    return f"{place}: {error.msg}{excerpt(line[indented:], max(1, (error.offset or 1) - indented))}"


def _own_traceback(error: Exception) -> str:
    """The traceback from the file on, without the frames of the import machinery."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename and frame.filename != __file__]
    return "".join([*traceback.format_list(own), *traceback.format_exception_only(error)]).rstrip()
