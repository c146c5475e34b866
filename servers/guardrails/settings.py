"""The guardrails server's environment. Owns: nothing of its own.

It needs no vendor's key and reads none: what decides must not be able to act.
"""

from __future__ import annotations

from servers.common.settings import ServerSettings


class GuardrailsSettings(ServerSettings):
    """Mode, hive, config, sandbox and database: what every server reads, and no more."""
