"""Where a client of the HTTP API finds it, and with which key: the only settings that such a client needs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import attrs

from omnidaemon.bootstrap.secrets import Secret
from omnidaemon.bootstrap.settings import NOTHING_GIVEN, load_chosen


@attrs.frozen(kw_only=True)
class ApiAddress:
    """`origin` is where the URL came from, for a person."""

    url: str
    key: Secret | None = None
    origin: str = "arguments"


def load_api_address(
    arguments: Mapping[str, object] = NOTHING_GIVEN,
    *,
    directory: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> ApiAddress | None:
    """The API that is to be used, None when there is none and the work is done on bus and store directly.

    Sources are those of all settings. What else is set is not looked at: it may be meant for another machine.
    """
    values, origins = load_chosen(("api_url", "api_key"), arguments, directory=directory, environ=environ)
    if values.get("api_url") is None:
        return None
    return ApiAddress(url=values["api_url"], key=values.get("api_key"), origin=origins["api_url"])
