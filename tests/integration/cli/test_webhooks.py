"""Webhooks and replies from the command line, over a worker and a receiver of their own."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytestmark = pytest.mark.timeout(600)  # many processes, on a machine that may be busy


@pytest.fixture
def receiver():
    """Answers each path by the number that it is."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(int(self.path.strip("/").partition("?")[0]))
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def listed(omni, *options, until):
    """What is listed, once it is so."""
    return omni.until(
        lambda: (page := omni.json("webhook", "list", *options)["webhooks"]) and until(page) and page,
    )


def test_webhooks_are_listed_with_each_attempt_and_sent_again(omni, receiver):
    omni.worker()
    gone = omni.json("task", "publish", "echo", "1", "--webhook", f"{receiver}/410?token=s3cret", "--wait")["task_id"]
    told = omni.json("task", "publish", "echo", '{"reply_to": "greet.user"}', "--webhook", f"{receiver}/204", "--wait")
    page = listed(omni, until=lambda rows: len(rows) == 3 and all(row["status"] != "pending" for row in rows))
    by_kind = {(row["task_id"], row["kind"]): row for row in page}
    failed = by_kind[gone, "webhook"]
    assert (failed["status"], failed["target"]) == ("failed", f"{receiver}/410?…")
    assert "410" in failed["reason"]
    assert [(line["attempt"], line["status_code"]) for line in failed["attempts"]] == [(1, 410)]
    assert by_kind[told["task_id"], "webhook"]["status"] == "delivered"
    assert by_kind[told["task_id"], "reply"]["target"] == "greet.user"

    assert [row["id"] for row in omni.json("webhook", "list", "--status", "failed")["webhooks"]] == [failed["id"]]
    assert [row["task_id"] for row in omni.json("webhook", "list", "--task", gone)["webhooks"]] == [gone]
    assert omni.json("webhook", "list", "--topic", "nowhere")["webhooks"] == []
    assert {row["kind"] for row in omni.json("webhook", "list", "--kind", "reply")["webhooks"]} == {"reply"}
    shown = omni("webhook", "list", "--task", gone).stdout
    assert failed["id"] in shown
    assert "s3cret" not in shown
    assert f"{failed['id']}\t1\t" in shown

    assert omni.json("webhook", "redeliver", failed["id"]) == {"redelivered": [failed["id"]], "failed": []}
    (again,) = listed(omni, "--task", gone, until=lambda rows: len(rows[0]["attempts"]) == 2)
    assert [line["attempt"] for line in again["attempts"]] == [1, 1]
    assert omni("webhook", "redeliver", "webhook-unknown").returncode == 3
    assert omni("webhook", "redeliver").returncode == 2
    assert omni("webhook", "list", "--status", "lost").returncode == 2
    assert omni("task", "publish", "echo", "1", "--webhook", "ftp://example.org").returncode == 2
    assert omni("task", "publish", "echo", "1", "--reply-to", "not a topic").returncode == 2
