"""What the sandbox's gateway and those who post to it agree on. Owns: secrets of the sandbox.

Fixed and public, so that the gateway works without keys; outside the sandbox it refuses them. The
signing key of GoHighLevel's stand-in is derived from a sentence, like the sandbox's salt.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

RB2B_WEBHOOK_SECRET = "sandbox-rb2b-webhook"  # noqa: S105 - public by design
INSTANTLY_WEBHOOK_SECRET = "sandbox-instantly-webhook"  # noqa: S105
GHL_WEBHOOK_SECRET = "sandbox-ghl-workflow-webhook"  # noqa: S105
SLACK_SIGNING_SECRET = "sandbox-slack-signing-secret"  # noqa: S105
_GHL_SEED = hashlib.sha256(b"chiefaiofficer-swarm sandbox: GoHighLevel's webhooks").digest()
# What precedes the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
_SPKI = bytes.fromhex("302a300506032b6570032100")


def ghl_webhook_key() -> Ed25519PrivateKey:
    """Signs the sandbox's GoHighLevel webhooks."""
    return Ed25519PrivateKey.from_private_bytes(_GHL_SEED)


def ghl_webhook_public_key() -> str:
    """Its public half in the form of GHL_WEBHOOK_PUBLIC_KEY: one line of base64."""
    public = ghl_webhook_key().public_key().public_bytes_raw()
    return base64.b64encode(_SPKI + public).decode()


def environment() -> dict[str, str]:
    """The gateway's variables in the sandbox."""
    return {
        "RB2B_WEBHOOK_SECRET": RB2B_WEBHOOK_SECRET,
        "INSTANTLY_WEBHOOK_SECRET": INSTANTLY_WEBHOOK_SECRET,
        "GHL_WEBHOOK_SECRET": GHL_WEBHOOK_SECRET,
        "GHL_WEBHOOK_PUBLIC_KEY": ghl_webhook_public_key(),
        "SLACK_SIGNING_SECRET": SLACK_SIGNING_SECRET,
    }


def nobody(base: str) -> dict[str, str]:
    """Addresses and keys of twins that do not answer: whoever uses them finds a vendor down."""
    key = "nobody-answers"
    return {
        "INSTANTLY_BASE_URL": f"{base}/instantly",
        "INSTANTLY_API_KEY": key,
        "SLACK_BASE_URL": f"{base}/slack/",
        "SLACK_BOT_TOKEN": key,
        "SLACK_CHANNEL_ID": key,
    }
