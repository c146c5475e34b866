"""The memory process's environment. Owns: the project's address and key, which no other has."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, SecretStr

from servers.common.settings import ServerSettings


class MemorySettings(ServerSettings):
    """What every server reads, and the Supabase project."""

    decides_or_writes: ClassVar[bool] = False

    url: str = Field(default="", validation_alias="SUPABASE_URL")
    key: SecretStr = Field(default=SecretStr(""), validation_alias="SUPABASE_KEY")

    def project(self) -> str:
        """The project's address; in the sandbox a loopback one. Raises ConfigError."""
        return self.base_url(self.url, self.url) if self.url else ""
