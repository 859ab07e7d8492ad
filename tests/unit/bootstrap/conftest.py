"""What the tests of settings share."""

from __future__ import annotations

import pytest

from omnidaemon.bootstrap.settings import load_settings


@pytest.fixture
def load(tmp_path):
    """Loads settings for a folder of the test's own, and an environment that holds nothing else."""

    def loading(arguments=None, *, toml=None, env=None, directory=tmp_path, **environ):
        if toml is not None:
            (tmp_path / "omnidaemon.toml").write_text(toml, encoding="utf-8")
        if env is not None:
            (tmp_path / ".env").write_text(env, encoding="utf-8")
        return load_settings(arguments or {}, directory=directory, environ={"HOME": str(tmp_path / "home"), **environ})

    return loading
