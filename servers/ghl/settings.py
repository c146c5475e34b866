"""The ghl server's environment. Owns: its key, location and address, and how this CRM is used."""

from __future__ import annotations

from pydantic import Field, SecretStr

from servers.common.http_keys import KeyHelp, required
from servers.common.settings import ServerSettings

KEY = KeyHelp(
    "GHL_PROD_API_KEY",
    "read leads from the CRM",
    "GoHighLevel: Settings → Private Integrations of the sub-account; it is a private token.",
)
LOCATION = KeyHelp(
    "GHL_LOCATION_ID",
    "name the GoHighLevel sub-account to work in",
    "GoHighLevel: Settings → Business Profile of the sub-account.",
)


class GhlSettings(ServerSettings):
    """Shared settings and this server's own. Lists are comma-separated."""

    api_key: SecretStr | None = Field(default=None, validation_alias="GHL_PROD_API_KEY")
    location_id: str | None = Field(default=None, validation_alias="GHL_LOCATION_ID")
    given_url: str | None = Field(default=None, validation_alias="GHL_BASE_URL")
    customer_tags: str = Field(default="customer", validation_alias="GHL_CUSTOMER_TAGS")
    customer_types: str = Field(default="customer", validation_alias="GHL_CUSTOMER_TYPES")
    bounce_tags: str = Field(
        default="bounced,bounce,hard bounce,hard_bounce,email bounced,invalid email",
        validation_alias="GHL_BOUNCE_TAGS",
    )

    def key(self) -> SecretStr:
        """The token. Raises ConfigError naming the variable when it is missing."""
        return required(self.api_key, KEY)

    def location(self) -> str:
        """The sub-account's id. Raises ConfigError naming the variable when it is missing."""
        stated = SecretStr(self.location_id) if self.location_id else None
        return required(stated, LOCATION).get_secret_value()


def listed(text: str) -> tuple[str, ...]:
    """The words of a comma-separated list."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
