"""The samples of the page on webhooks, run on messages as they are sent."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from omnidaemon.adapters.http.signing import key_of, signed
from omnidaemon.domain.secret import Secret
from tests.unit.docs.pages import DOCS, blocks

BODY = '{"result":"é"}'.encode()
Verify = Callable[[str, dict[str, str], bytes], bool]


def sample(language: str) -> str:
    """The page's function `verified` in this language."""
    texts = (block.text for block in blocks(DOCS / "how-to" / "webhooks.md") if block.language == language)
    return next(text for text in texts if " verified(" in text)


def in_python(secret: str, headers: dict[str, str], body: bytes) -> bool:
    names: dict[str, Callable[..., bytes]] = {}
    exec(sample("python"), names)  # noqa: S102 - it is our own page
    try:
        return names["verified"](secret, headers, body) == body
    except ValueError:
        return False


def in_javascript(secret: str, headers: dict[str, str], body: bytes) -> bool:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not there")
    call = (
        "const [secret, headers, body] = JSON.parse(process.argv[1]);"
        "verified(secret, headers, Buffer.from(body, 'base64'));"
    )
    arguments = json.dumps([secret, headers, base64.b64encode(body).decode()])
    program = [node, "--input-type=module", "--eval", sample("js") + call, arguments]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 or "not signed by us" in done.stderr or "too old" in done.stderr, done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("verify", [in_python, in_javascript])
def test_samples_know_our_messages_from_others(verify: Verify) -> None:
    """One with our secret, also beside another; none that was changed, is old, or is signed otherwise."""
    secret, other = ("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    now = datetime.now(UTC)
    keys = [key_of(Secret(each)) for each in (other, secret)]
    headers = dict(signed("webhook-1", now, BODY, keys))
    assert verify(secret, headers, BODY)
    assert verify(other, headers, BODY)
    assert not verify("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(), headers, BODY)
    assert not verify(secret, headers, BODY + b" ")
    assert not verify(secret, {**headers, "webhook-id": "webhook-2"}, BODY)
    assert not verify(secret, dict(signed("webhook-1", now - timedelta(minutes=6), BODY, keys)), BODY)
    assert not verify(secret, dict(signed("webhook-1", now, BODY, [])), BODY)
