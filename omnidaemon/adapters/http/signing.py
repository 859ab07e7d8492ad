"""Signatures as the Standard Webhooks specification has them: HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from omnidaemon.domain.secret import Secret

PREFIX = "whsec_"


def key_of(secret: Secret) -> bytes:
    """The key that a secret is: base64, with or without `whsec_` before it. `ValueError` for what is none."""
    try:
        return base64.b64decode(secret.reveal().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a webhook secret is whsec_ and base64") from None


def signed(message_id: str, at: datetime, body: bytes, keys: Sequence[bytes]) -> Mapping[str, str]:
    """The headers of a message; with several keys a signature by each, so that a receiver may know either."""
    timestamp = str(int(at.timestamp()))
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp}
    content = b".".join((message_id.encode(), timestamp.encode(), body))
    digests = (hmac.new(key, content, hashlib.sha256).digest() for key in keys)
    if signature := " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests):
        headers["webhook-signature"] = signature
    return headers
