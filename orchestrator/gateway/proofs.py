"""Who sent it. Owns: secrets in paths, GoHighLevel's and Slack's signatures.

Every comparison takes the same time, and nothing in a header can raise. Refuses GoHighLevel's old
RSA signature (it ended on 2026-09-01) and its literal `N/A`, and Slack's requests that are older
or newer than five minutes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from guardrails.errors import ConfigError

SLACK_WINDOW_S = 300
_FIT = re.compile(r"[A-Za-z0-9._~-]{16,200}\Z")
_PEM_MARKS = re.compile(r"-----[A-Z ]+-----")
_SECONDS = re.compile(r"[0-9]{1,12}\Z")
_INVENT = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"


class PathSecret:
    """A secret that stands in a webhook's URL."""

    def __init__(self, name: str, value: str) -> None:
        """Raises ConfigError: it can be guessed, or cannot stand in a path."""
        if not _FIT.match(value):
            raise ConfigError(
                f"{name}: 16 to 200 characters of A-Z a-z 0-9 . _ ~ - are needed",
                remedy=f"Invent one: {_INVENT}",
            )
        self._digest = _digest(value)

    def __repr__(self) -> str:
        return "PathSecret(...)"

    def matches(self, given: str) -> bool:
        """Whether `given` is it; takes as long whatever was given."""
        return hmac.compare_digest(self._digest, _digest(given))


class GhlKey:
    """The public key under which GoHighLevel signs webhooks of Marketplace apps."""

    def __init__(self, text: str) -> None:
        """`text` is GHL_WEBHOOK_PUBLIC_KEY: base64, with or without the PEM lines around it.

        Raises:
            ConfigError: it is no Ed25519 key.
        """
        wrong = ConfigError(
            "GHL_WEBHOOK_PUBLIC_KEY is not an Ed25519 public key",
            remedy="Copy the Ed25519 key of HighLevel's webhook guide, as one line of base64.",
        )
        bare = "".join(_PEM_MARKS.sub(" ", text.replace("\\n", " ")).split())
        try:
            key = serialization.load_der_public_key(base64.b64decode(bare, validate=True))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise wrong from error
        if not isinstance(key, Ed25519PublicKey):
            raise wrong
        self._key = key

    def signed(self, body: bytes, signature: str | None) -> bool:
        """Whether X-GHL-Signature holds for the raw body."""
        try:
            self._key.verify(base64.b64decode(signature or "", validate=True), body)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


class SlackSecret:
    """The signing secret of our Slack app."""

    def __init__(self, value: str) -> None:
        self._key = value.encode()

    def __repr__(self) -> str:
        return "SlackSecret(...)"

    def signed(self, body: bytes, timestamp: str | None, signature: str | None, now: float) -> bool:
        """Whether X-Slack-Signature holds for the raw body and is not older than five minutes.

        Args:
            timestamp, signature: the headers as they came.
            now: seconds since the epoch.
        """
        if timestamp is None or signature is None or not _SECONDS.match(timestamp):
            return False
        if abs(now - int(timestamp)) > SLACK_WINDOW_S:
            return False
        text = b"v0:" + timestamp.encode() + b":" + body
        wanted = "v0=" + hmac.new(self._key, text, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted.encode(), signature.encode(errors="replace"))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
