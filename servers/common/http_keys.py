"""Keys from the environment. Owns: the error that names a missing or unusable key.

The value of a key never appears in an error: only its variable, what it is for and where it is
found.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from guardrails.errors import ConfigError


@dataclass(frozen=True)
class KeyHelp:
    """What a person must know about one variable."""

    variable: str
    purpose: str
    where: str


def required(value: SecretStr | None, about: KeyHelp) -> SecretStr:
    """`value`, trimmed, when it can stand in a header.

    Raises:
        ConfigError: missing, empty, or with characters no header may hold.
    """
    text = value.get_secret_value().strip() if value else ""
    if not text:
        raise ConfigError(
            f"{about.variable} is not set; it is needed to {about.purpose}",
            remedy=f"{about.where} Put it in .env, or start with --sandbox, which needs no keys.",
        )
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ConfigError(
            f"{about.variable} holds characters that no key has (spaces, line ends or accents)",
            remedy=f"Copy it again. {about.where}",
        )
    return SecretStr(text)


def bearer(key: SecretStr) -> SecretStr:
    """The value of an `Authorization` header for `key`."""
    return SecretStr(f"Bearer {key.get_secret_value()}")
