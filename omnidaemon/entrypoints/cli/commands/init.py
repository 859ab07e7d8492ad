"""`omni init`: an example project in the current folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from omnidaemon.entrypoints.cli.banner import print_banner
from omnidaemon.entrypoints.cli.options import Json
from omnidaemon.entrypoints.cli.screen import screen
from omnidaemon.entrypoints.cli.views import Card, Cell, Lines

_AGENTS: Final = '''\
"""The agents of this project. Run them with `omni run agents.py`, or `omni dev agents.py` while you write them."""

from omnidaemon import OmniDaemonSDK

sdk = OmniDaemonSDK()


@sdk.agent("greet.user")
async def greeter(payload):
    return {"reply": f"Hello, {payload['name']}!"}


if __name__ == "__main__":
    sdk.run()
'''

_SETTINGS: Final = """\
# Settings of this project; `omni config show` prints all of them. The environment and a .env file overrule this file.
# Tasks and results are kept in .omnidaemon/ beside it.

event_bus_type = "sqlite"
# result_store_type = "sqlite"
# data_dir = ".omnidaemon"
# result_ttl = "1d"
# log_level = "INFO"
"""

_FILES: Final = {"agents.py": _AGENTS, "omnidaemon.toml": _SETTINGS}
_NEXT: Final = """\
1. run the agent:               omni run agents.py
2. in another terminal, here:   omni task publish greet.user '{"name": "Alice"}' --wait"""


def init(*, as_json: Json = False) -> None:
    """Write an example agent and the settings file into this folder. Existing files are left as they are."""
    if not as_json:
        print_banner(sys.stdout)
    written, kept = [], []
    for name, content in _FILES.items():
        try:
            with Path(name).open("x", encoding="utf-8") as file:
                file.write(content)
        except FileExistsError:
            kept.append(name)
        else:
            written.append(name)
    lines = [*(f"wrote {name}" for name in written), *(f"left {name} as it is" for name in kept)]
    screen(as_json=as_json).show(
        {"written": written, "kept": kept, "directory": str(Path.cwd())},
        Lines.of(*lines),
        Card(title="next", style="green", body=Cell(text=_NEXT, has_lines=True), body_label="next"),
    )
