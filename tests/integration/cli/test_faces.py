"""Banner, help, colour and completion: what a person sees, and a pipe does not."""

from __future__ import annotations

import pytest

BANNER = r"/ _ \ _ __"


@pytest.fixture
def omni(direct):
    """What is tested here is of this machine."""
    return direct


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_the_banner_and_frames_are_for_terminals(omni, arguments):
    """On a terminal help has the banner and colour; piped it is plain."""
    seen = omni.real_terminal(*arguments)
    assert seen.returncode == 0
    assert BANNER in seen.shown
    assert "\x1b[" in seen.shown
    piped = omni.process(*arguments)
    assert piped.returncode == 0
    assert BANNER not in piped.stdout
    assert "\x1b" not in piped.stdout
    assert "╭" not in piped.stdout
    assert {"task:", "run:", "doctor:"} <= set(piped.stdout.split())


def test_no_color_is_honoured(omni):
    """With NO_COLOR a terminal gets no colour: at most bold and dim."""
    for arguments in (("--help",), ("health",)):
        shown = omni.terminal(*arguments, NO_COLOR="1").shown
        assert "\x1b[3" not in shown
        assert "╭" in shown


def test_every_command_has_help(omni):
    """Each command of each group explains itself."""
    groups = {
        "task": ["publish", "result", "list", "show", "cancel", "requeue", "delete"],
        "agent": ["list", "get", "start", "stop", "remove"],
        "worker": ["list", "drain"],
        "bus": ["list", "dlq", "watch", "purge"],
        "dlq": ["list", "show", "requeue", "purge"],
        "config": ["show"],
    }
    commands = [[group, command] for group, members in groups.items() for command in members]
    commands += [[one] for one in ("init", "run", "dev", "health", "metrics", "doctor", "version")]
    for command in commands:
        done = omni(*command, "--help")
        assert done.returncode == 0, done
        assert done.stdout.startswith(f"Usage: omni {' '.join(command)}"), done


def test_completion_can_be_installed(omni):
    """It goes where the shell looks for it."""
    done = omni.process("--install-completion", "--shell", "bash")
    assert done.returncode == 0, done
    installed = list(omni.folder.rglob("omni"))
    assert installed
    assert "publish" in installed[0].read_text()


def test_init_writes_a_project_that_works_and_overwrites_nothing(omni):
    """The example can be run as it is; a second time everything is left."""
    (omni.folder / "omnidaemon.toml").unlink()
    first = omni.json("init")
    assert first == {"written": ["agents.py", "omnidaemon.toml"], "kept": [], "directory": str(omni.folder)}
    (omni.folder / "omnidaemon.toml").write_text('log_level = "DEBUG"\n')
    seen = omni.terminal("init")
    assert "left omnidaemon.toml as it is" in seen.shown
    assert "omni run agents.py" in seen.shown
    assert BANNER in seen.shown
    assert (omni.folder / "omnidaemon.toml").read_text() == 'log_level = "DEBUG"\n'

    running = omni.start("run", "agents.py")
    running.until_said("ready")
    result = omni.json("task", "publish", "greet.user", '{"name": "Alice"}', "--wait")
    assert result["result"] == {"reply": "Hello, Alice!"}
