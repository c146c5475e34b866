"""The guardrails server's environment. Owns: nothing of its own.

It needs no vendor's key and reads none: what decides must not be able to act.
"""

from __future__ import annotations

from servers.common.sender import SenderSettings


class GuardrailsSettings(SenderSettings):
    """What every server reads, and the sender: drafts signed by another are refused."""
