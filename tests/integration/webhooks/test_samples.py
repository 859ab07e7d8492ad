"""The samples of the page on webhooks, run on messages as they are sent."""

from __future__ import annotations

import atexit
import base64
import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from omnidaemon.adapters.http.signing import key_of, signed
from omnidaemon.domain.secret import Secret
from tests.unit.docs.pages import DOCS, blocks

BODY = '{"result":"é"}'.encode()
Verify = Callable[[str, dict[str, str], bytes], bool]


def sample(language: str) -> str:
    """The page's function `verified` in this language."""
    texts = (block.text for block in blocks(DOCS / "how-to" / "webhooks.md") if block.language == language)
    return next(text for text in texts if " verified(" in text.lower())


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


_GO_MAIN = """
func main() {
	var given struct{ Secret string; Headers map[string]string; Body []byte }
	if err := json.Unmarshal([]byte(os.Args[1]), &given); err != nil { panic(err) }
	header := http.Header{}
	for name, value := range given.Headers { header.Set(name, value) }
	if err := Verified(given.Secret, header, given.Body); err != nil { fmt.Println(err); os.Exit(1) }
}
"""


@cache
def go_program() -> Path:
    """The sample and a main around it, compiled once."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not there")
    folder = Path(tempfile.mkdtemp(prefix="omnidaemon-go-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    text = sample("go").replace("package webhooks", "package main")
    text = text.replace("import (", 'import (\n"encoding/json"\n"fmt"\n"os"') + _GO_MAIN
    (folder / "sample.go").write_text(text, encoding="utf-8")
    build: list[str | Path] = [go, "build", "-o", folder / "sample", folder / "sample.go"]
    environment = {**os.environ, "GOCACHE": str(folder / "cache"), "GOFLAGS": ""}
    done = subprocess.run(build, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    return folder / "sample"


def in_go(secret: str, headers: dict[str, str], body: bytes) -> bool:
    given = json.dumps({"Secret": secret, "Headers": headers, "Body": base64.b64encode(body).decode()})
    done = subprocess.run([go_program(), given], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 or "not signed by us" in done.stdout or "too old" in done.stdout, done.stderr
    return done.returncode == 0


@pytest.mark.timeout(400)  # compiled anew, Go's own library included
@pytest.mark.parametrize("verify", [in_python, in_javascript, in_go])
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
