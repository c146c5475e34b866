"""The instantly server's environment. Owns: its key and address."""

from __future__ import annotations

from pydantic import Field, SecretStr

from servers.common.http_keys import KeyHelp, required
from servers.common.settings import ServerSettings

KEY = KeyHelp(
    "INSTANTLY_API_KEY",
    "read and, with a permit, write campaigns, leads and the block list at Instantly",
    "Instantly: Settings → Integrations → API keys (API v2).",
)


class InstantlySettings(ServerSettings):
    """Shared settings and this server's own."""

    api_key: SecretStr | None = Field(default=None, validation_alias="INSTANTLY_API_KEY")
    given_url: str | None = Field(default=None, validation_alias="INSTANTLY_BASE_URL")

    def key(self) -> SecretStr:
        """The key. Raises ConfigError naming the variable when it is missing."""
        return required(self.api_key, KEY)
