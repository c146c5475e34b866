"""What every server reads from its environment. Owns: mode, hive, config and sandbox markers.

A server's own keys stand in its own `settings.py`. The environment may lower the mode that
config/production.json states, never raise it.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from guardrails.authorize_rules import Purpose
from guardrails.clock import Clock, shifted
from guardrails.config import Config, load_config
from guardrails.errors import ConfigError
from guardrails.model import Mode


class ServerSettings(BaseSettings):
    """Shared part of every server's environment."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    hive: Path = Field(default=Path(".hive-mind"), validation_alias="HIVE_MIND_DIR")
    config_path: Path | None = Field(default=None, validation_alias="SWARM_CONFIG")
    mode: Mode | None = Field(default=None, validation_alias="SWARM_MODE")
    sandbox: bool = Field(default=False, validation_alias="SWARM_SANDBOX")
    database_url: str | None = Field(default=None, validation_alias="SWARM_DATABASE_URL")
    sandbox_limits: bool = Field(default=False, validation_alias="SWARM_SANDBOX_LIMITS")
    # This process was started by the emergency stop: it works in a stopped swarm alone, and then
    # reads and holds.
    emergency: bool = Field(default=False, validation_alias="SWARM_EMERGENCY")
    sandbox_offset_s: float = Field(
        default=0, allow_inf_nan=False, validation_alias="SWARM_SANDBOX_OFFSET_S"
    )

    @model_validator(mode="after")
    def _real_time_for_real(self) -> Self:
        if self.sandbox_offset_s and not self.sandbox:
            raise ValueError("SWARM_SANDBOX_OFFSET_S: only the sandbox has a clock of its own")
        return self

    @property
    def clock(self) -> Clock:
        """The process's clock: the wall's, in the sandbox set off by `SWARM_SANDBOX_OFFSET_S`."""
        return shifted(self.sandbox_offset_s)

    @property
    def purpose(self) -> Purpose:
        """What its permits are for."""
        return Purpose.EMERGENCY_STOP if self.emergency else Purpose.WORK

    @property
    def keeps_limits(self) -> bool:
        """Whether the vendors' rate limits are kept: always, but for twins that have none."""
        return self.sandbox_limits or not self.sandbox

    def config(self) -> Config:
        """All of config/, with the mode lowered to `SWARM_MODE` when that is lower."""
        config = load_config(self.config_path)
        stated = config.production.mode
        if self.mode is None or self.mode.rank >= stated.rank:
            return config
        lowered = config.production.model_copy(update={"mode": self.mode})
        return config.model_copy(update={"production": lowered})

    def base_url(self, given: str | None, configured: str) -> str:
        """The vendor's base URL; in the sandbox only a loopback address is accepted.

        Raises:
            ConfigError: sandbox is on and the address is not loopback.
        """
        url = given or configured
        if self.sandbox and not _is_loopback(url):
            raise ConfigError(
                f"sandbox is on, but {url} is not a loopback address",
                remedy="Start with --sandbox, which starts the twins and sets the addresses.",
            )
        return url.rstrip("/")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
