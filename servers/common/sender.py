"""Who writes, as the environment states it. Owns: the sender's variables and the invented sender.

Without the sandbox every variable must be set; in the sandbox an invented sender on a reserved
domain stands in. The crafter signs with it, guardrails refuses drafts signed by anybody else.
"""

from __future__ import annotations

import unicodedata

from pydantic import Field

from guardrails.errors import ConfigError
from guardrails.model import Sender
from servers.common.contract_sender import SANDBOX_MAILBOX, SANDBOX_POSTAL_ADDRESS
from servers.common.settings import ServerSettings

SANDBOX_SENDER = Sender(
    name="Robin Hale",
    email=SANDBOX_MAILBOX,
    company="Chief AI Officer Partners",
    postal_address=SANDBOX_POSTAL_ADDRESS,
)


class SenderSettings(ServerSettings):
    """What every server reads, and the sender."""

    sender_name: str | None = Field(default=None, validation_alias="SENDER_NAME")
    sender_email: str | None = Field(default=None, validation_alias="SENDER_EMAIL")
    sender_company: str | None = Field(default=None, validation_alias="SENDER_COMPANY")
    sender_postal_address: str | None = Field(
        default=None, validation_alias="SENDER_POSTAL_ADDRESS"
    )

    def sender(self) -> Sender:
        """Who writes.

        Raises:
            ConfigError: a variable is missing outside the sandbox, or holds control characters.
        """
        sender, missing = self._read()
        if sender is None:
            raise ConfigError(
                f"{', '.join(missing)} not set",
                remedy="Every e-mail names its sender and a postal address (CAN-SPAM): set them.",
            )
        return sender

    def sender_if_set(self) -> Sender | None:
        """Who writes; None when a variable is missing outside the sandbox.

        Raises:
            ConfigError: a variable holds control characters.
        """
        return self._read()[0]

    def _read(self) -> tuple[Sender | None, tuple[str, ...]]:
        given = {name: _one_line(name, getattr(self, f"sender_{name}")) for name in _FIELDS}
        missing = tuple(f"SENDER_{name.upper()}" for name, value in given.items() if not value)
        if missing and not self.sandbox:
            return None, missing
        stated = {name: value for name, value in given.items() if value}
        return SANDBOX_SENDER.model_copy(update=stated), ()


_FIELDS = ("name", "email", "company", "postal_address")


def _one_line(name: str, value: str | None) -> str | None:
    if value is None:
        return None
    line = ", ".join(part.strip(" ,") for part in value.splitlines() if part.strip())
    if any(unicodedata.category(char) in ("Cc", "Cf") for char in line):
        raise ConfigError(f"SENDER_{name.upper()} holds control characters")
    return line
