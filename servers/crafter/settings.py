"""What the crafter reads from its environment: who writes. It holds no vendor's key."""

from __future__ import annotations

from servers.common.sender import SANDBOX_SENDER, SenderSettings

__all__ = ["SANDBOX_SENDER", "CrafterSettings"]


class CrafterSettings(SenderSettings):
    """Mode, hive, config, sandbox and the sender."""
