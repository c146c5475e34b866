"""The enricher's environment. Owns: its keys, its vendors' addresses, and Clay's routine.

Clay's key is required; RB2B is asked only when it has a key, Clay only when a routine is named.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from servers.common.http_keys import KeyHelp, bearer, required
from servers.common.settings import ServerSettings

CLAY_KEY = KeyHelp(
    "CLAY_API_KEY",
    "run the enrichment routine at Clay",
    "Clay: Settings → Account → API key.",
)
RB2B_KEY = KeyHelp(
    "RB2B_API_KEY",
    "look up visitor profiles at RB2B",
    "RB2B API partner console, API keys.",
)


class EnricherSettings(ServerSettings):
    """Shared settings and this server's own."""

    clay_api_key: SecretStr | None = Field(default=None, validation_alias="CLAY_API_KEY")
    clay_auth: Literal["clay-api-key", "bearer"] = Field(
        default="clay-api-key",
        validation_alias="CLAY_AUTH_HEADER",
        description="Clay's specification and its own client disagree; try the other on a 401.",
    )
    clay_routine_id: str | None = Field(default=None, validation_alias="CLAY_ROUTINE_ID")
    clay_url: str | None = Field(default=None, validation_alias="CLAY_BASE_URL")
    rb2b_api_key: SecretStr | None = Field(default=None, validation_alias="RB2B_API_KEY")
    rb2b_url: str | None = Field(default=None, validation_alias="RB2B_BASE_URL")
    gdelt_url: str | None = Field(default=None, validation_alias="GDELT_BASE_URL")
    google_news_url: str | None = Field(default=None, validation_alias="GOOGLE_NEWS_BASE_URL")

    def clay_keys(self) -> dict[str, SecretStr]:
        """Clay's header. Raises ConfigError naming the variable when the key is missing."""
        key = required(self.clay_api_key, CLAY_KEY)
        return (
            {"Authorization": bearer(key)} if self.clay_auth == "bearer" else {self.clay_auth: key}
        )

    def rb2b_keys(self) -> dict[str, SecretStr] | None:
        """RB2B's header, or None when there is no key: RB2B is recommended, not required."""
        if self.rb2b_api_key is None or not self.rb2b_api_key.get_secret_value().strip():
            return None
        return {"Api-Key": required(self.rb2b_api_key, RB2B_KEY)}
