"""What every server reads from its environment. Owns: mode, hive, config and sandbox markers.

A server's own keys stand in its own `settings.py`. The environment may lower the mode that
config/production.json states, never raise it; and above shadow goes only a mode that this hive has
earned (`guardrails.readiness`), whoever started the process and whatever they said.
"""

from __future__ import annotations

import ipaddress
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import urlsplit

import structlog
from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from guardrails.authorize_rules import Purpose
from guardrails.clock import Clock, shifted
from guardrails.config import Config, load_config
from guardrails.errors import ConfigError
from guardrails.model import Mode
from guardrails.readiness_model import Standing, freely, lower_of
from guardrails.versions import with_mode

log = structlog.get_logger(__name__)


class ServerSettings(BaseSettings):
    """Shared part of every server's environment."""

    # Whether this process decides about leads or writes at vendors, so that its mode matters. One
    # that does neither gets no database to look the earned mode up in.
    decides_or_writes: ClassVar[bool] = True

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

    # The sandbox's modes need not be earned, since its vendors are twins, unless this is set. It
    # waives nothing anywhere.
    must_earn: bool = Field(default=False, validation_alias="SWARM_MUST_EARN")

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
        """All of config/, in the mode that is in force here (`standing`)."""
        return with_mode(self._stated, self.standing.mode)

    @cached_property
    def standing(self) -> Standing:
        """The lowest of what config/ states, `SWARM_MODE` and what was earned; looked up once.

        The emergency stop's own processes are not asked: they hold what runs, in a stopped swarm
        alone, and a mode that was lost must not keep anybody from that.
        """
        config = self._stated
        free = self.sandbox and not self.must_earn
        if free or self.emergency or not self.decides_or_writes:
            return freely(lower_of(config.production.mode, self.mode))
        # Imported when it is asked: half of the servers never open a database.
        from guardrails.readiness import standing_at  # noqa: PLC0415

        found = standing_at(self.hive, config, self.mode, self.database_url, self.clock)
        if found.lowered:
            log.warning("mode_lowered", configured=found.configured, mode=found.mode,
                        because=found.lowered_because)  # fmt: skip
        return found

    @cached_property
    def _stated(self) -> Config:
        return load_config(self.config_path)

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
