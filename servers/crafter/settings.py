"""What the crafter reads from its environment: who writes. It holds no vendor's key."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from servers.common.sender import SANDBOX_SENDER, SenderSettings

__all__ = ["SANDBOX_SENDER", "CrafterSettings"]


class CrafterSettings(SenderSettings):
    """Mode, hive, config, sandbox, the sender, and where people find the gateway."""

    decides_or_writes: ClassVar[bool] = False

    gateway_public_url: str | None = Field(default=None, validation_alias="GATEWAY_PUBLIC_URL")
