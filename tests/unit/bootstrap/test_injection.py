"""What is in the place of other modules while the library of the container is loaded, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Between the placing and the leaving, as if the library took its time.
BEGIN = """
import importlib.util, sys, threading
import omnidaemon.bootstrap
spec = importlib.util.find_spec("omnidaemon.bootstrap.injection")
source = spec.loader.get_source(spec.name)
module = importlib.util.module_from_spec(spec)
before, after = source.split("with _stand_ins():", 1)
exec(compile(before, spec.origin, "exec"), module.__dict__)

def elsewhere(work):
    failures = []
    def run():
        try:
            work()
        except BaseException as error:
            failures.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not failures, failures
"""


def run(program):
    """What it prints."""
    done = subprocess.run([sys.executable, "-c", BEGIN + program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    "statement",
    [
        "from pydantic import BaseModel; assert BaseModel.model_validate",
        "import pydantic; assert pydantic.VERSION != '2'; assert pydantic.BaseModel.model_validate",
        "from pydantic.fields import FieldInfo; assert FieldInfo",
        "from dependency_injector.wiring import Provide, inject; assert inject",
    ],
)
def test_another_thread_gets_the_real_module(statement):
    """Whatever it imports just then; and the library is loaded all the same."""
    program = f"""
def work():
    {statement}

with module._stand_ins():
    elsewhere(work)
    from dependency_injector import containers, providers
work()
import pydantic, dependency_injector.wiring
print(type(pydantic).__name__, type(dependency_injector.wiring).__name__)
"""
    assert run(program) == ["module", "module"]


def test_a_name_that_the_library_did_not_ask_for_before_is_the_real_one():
    """As in a later version of it."""
    program = """
with module._stand_ins():
    from dependency_injector.wiring import inject, wire
    from dependency_injector import containers, providers
print(inject.__module__, "dependency_injector.wiring" in sys.modules)
"""
    assert run(program) == ["dependency_injector.wiring", "True"]


def test_neither_is_loaded_for_the_library_alone():
    """That is what the stand-ins are for; and nothing of them stays."""
    program = """
with module._stand_ins():
    from dependency_injector import containers, providers
print("dependency_injector.wiring" in sys.modules, "pydantic" in sys.modules)
"""
    assert run(program) == ["False", "False"]
