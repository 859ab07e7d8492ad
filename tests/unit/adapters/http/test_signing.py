"""Signatures, judged by the package of the Standard Webhooks project."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from omnidaemon.adapters.http.signing import key_of, signed
from omnidaemon.domain.secret import Secret

BODY = b'{"task_id":"t1","result":"\xc3\xa9"}'


def new_secret():
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.mark.parametrize("prefix", ["whsec_", ""])
def test_a_signature_is_verified_by_the_receiver(prefix):
    text = new_secret().removeprefix("whsec_")
    headers = signed("webhook-1", datetime.now(UTC), BODY, [key_of(Secret(prefix + text))])
    assert Webhook(text).verify(BODY, dict(headers)) == {"task_id": "t1", "result": "é"}


def test_each_key_signs_so_that_receivers_can_change_from_one_to_the_next():
    old, new = new_secret(), new_secret()
    headers = dict(signed("webhook-1", datetime.now(UTC), BODY, [key_of(Secret(new)), key_of(Secret(old))]))
    for secret in (old, new):
        Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers)


def test_a_changed_body_or_an_old_message_is_noticed():
    secret = new_secret()
    headers = dict(signed("webhook-1", datetime.now(UTC), BODY, [key_of(Secret(secret))]))
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers)
    late = dict(signed("webhook-1", datetime.now(UTC) - timedelta(minutes=6), BODY, [key_of(Secret(secret))]))
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, late)


def test_without_a_secret_there_is_no_signature():
    at = datetime(2030, 1, 1, tzinfo=UTC)
    assert dict(signed("webhook-1", at, BODY, [])) == {"webhook-id": "webhook-1", "webhook-timestamp": "1893456000"}


def test_a_secret_that_is_none_is_not_shown():
    with pytest.raises(ValueError, match="whsec_ and base64") as caught:
        key_of(Secret("not base64!"))
    assert "not base64!" not in str(caught.value)
