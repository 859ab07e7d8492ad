"""The quickstart, acted out: `make demo` runs this.

Starts workers and publishes tasks as a person would, by the command `omni`, on the embedded SQLite default in a folder
of its own. Ends with an error when anything is not as it says.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

AGENTS = Path(__file__).with_name("agents.py")
OMNI = shutil.which("omni", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
PATIENCE_SECONDS = 15.0


class Stage:
    """A folder for the data, an environment that names it, and nothing else of what this machine is set to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        others = {name: value for name, value in os.environ.items() if not name.startswith("OMNIDAEMON_")}
        self.environment = others | {
            "EVENT_BUS_TYPE": "sqlite",
            "RESULT_STORE_TYPE": "sqlite",
            "OMNIDAEMON_DATA_DIR": str(folder / "data"),
        }

    def omni(self, *arguments: str, is_shown: bool = True) -> Any:
        """Run `omni` and return what it prints as JSON."""
        command = [*arguments, "--json"]
        if is_shown:
            print(f"   $ omni {shlex.join(command)}")
        done = subprocess.run(  # noqa: S603 - our own command
            [str(OMNI), *command], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            sys.exit(f"omni {arguments[0]} {arguments[1]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A worker process; its log goes to a file that is shown when something is wrong."""
        print("   $ omni run agents.py &")
        log = self.folder / "worker.log"
        with log.open("ab") as lines:
            process = subprocess.Popen(  # noqa: S603 - our own command
                [str(OMNI), "run", str(AGENTS)], cwd=self.folder, env=self.environment, stdout=lines, stderr=lines
            )
        try:
            yield process
        except BaseException:
            print(f"\nthe worker's log:\n{log.read_text()}", file=sys.stderr)
            raise
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    def until_running(self, task_id: str) -> None:
        """Return once a worker has begun the task."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (status := self.omni("task", "result", task_id, is_shown=False)["status"]) != "running":
            check(time.monotonic() < deadline, f"task {task_id} is {status}, not running")
            time.sleep(0.05)


def check(is_so: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence where it is called
    """End the demonstration with an error unless it is so."""
    if not is_so:
        sys.exit(f"the demonstration failed: {otherwise}")


def show(result: dict[str, Any]) -> None:
    """Print the value that an agent returned, where it cannot be overlooked."""
    print(f"\n       {json.dumps(result['result'])}\n")


def main() -> None:
    """Act it out."""
    check(OMNI is not None, "the command `omni` is not installed beside this Python")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="omnidaemon-demo-") as folder:
        stage = Stage(Path(folder))

        print("1. A task is published while no worker runs. It is kept.")
        waiting = stage.omni("task", "publish", "greet.user", '{"name": "Alice"}')

        print("2. A worker starts, and the task is done.")
        with stage.worker() as worker:
            result = stage.omni("task", "result", waiting["task_id"], "--wait")
            check(result["result"] == {"reply": "Hello, Alice!"}, f"the result is {result}")
            show(result)

            print("3. From another terminal: publish and wait for the result.")
            result = stage.omni("task", "publish", "greet.user", '{"name": "Bob"}', "--wait")
            check(result["result"] == {"reply": "Hello, Bob!"}, f"the result is {result}")
            show(result)

            print("4. The worker is killed in the middle of a task.")
            report = stage.omni("task", "publish", "report.requested", '{"city": "Lagos"}')
            stage.until_running(report["task_id"])
            print(f"   $ kill -9 {worker.pid}")
            worker.send_signal(signal.SIGKILL)
            worker.wait()

        print("5. Another worker starts. The task was not lost: it is run again once the dead worker's lease is over.")
        with stage.worker() as worker:
            result = stage.omni("task", "result", report["task_id"], "--wait")
            check((result["status"], result["attempts"]) == ("succeeded", 2), f"the result is {result}")
            show(result)
            print(f"   $ kill {worker.pid}")
            worker.terminate()
            check(worker.wait(PATIENCE_SECONDS) == 0, "the worker did not stop in good order")
    print(f"All as promised, in {time.monotonic() - started:.1f} s.")


if __name__ == "__main__":
    main()
