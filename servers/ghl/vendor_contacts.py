"""A contact as GoHighLevel writes it. Owns: which of its fields have to be there.

The search and the single read each leave out some of what the other says: the read omits `dnd` or
`dndSettings` where nothing was ever set, older searches omit `dndSettings`. So a contact is what
both say together, and what neither says is a renamed field and never "not set" (P6): refused, as
is null, which the vendor documents for none of them. Only `lastActivity`, `website`,
`additionalEmails` and `inboundDndSettings` may be absent: the vendor leaves them out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from guardrails.errors import BadInput
from guardrails.identity import normalise_domain, normalise_email
from servers.ghl.service import Contact

_OFF = frozenset({"inactive", ""})  # anything else counts as on: active, permanent, and the unknown
_CHANNELS = frozenset({"Call", "Email", "SMS", "WhatsApp", "GMB", "FB", "RCS"})


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _DndSetting(_Wire):
    status: str

    @property
    def on(self) -> bool:
        return self.status.strip().casefold() not in _OFF


_NEVER_SET = _DndSetting(status="inactive")


class _DndSettings(_Wire):
    """A channel that was never set is left out; one we do not know may be e-mail renamed."""

    email: _DndSetting = Field(default=_NEVER_SET, alias="Email")

    @model_validator(mode="before")
    @classmethod
    def _email_is_told(cls, value: Any) -> Any:
        return _told(value, "Email", _CHANNELS)


class _InboundDnd(_Wire):
    everything: _DndSetting = Field(default=_NEVER_SET, alias="all")

    @model_validator(mode="before")
    @classmethod
    def _all_is_told(cls, value: Any) -> Any:
        return _told(value, "all", ())


class _Address(_Wire):
    email: str


class Hit(_Wire):
    """A contact that the search found. `email` is null for one that has no address."""

    id: str = Field(min_length=1)
    email: str | None
    additional_emails: tuple[_Address | str, ...] | None = Field(
        default=None, alias="additionalEmails"
    )

    def has(self, email: str) -> bool:
        """Whether one of its addresses is `email`, which is in normal form."""
        return email in normalised(self.addresses())

    def hides_addresses(self) -> bool:
        """Whether it has no address, or does not say which others it has."""
        return self.additional_emails is None or not self.addresses()

    def addresses(self) -> tuple[str, ...]:
        more = (a if isinstance(a, str) else a.email for a in self.additional_emails or ())
        return tuple(address for address in (self.email, *more) if address)


class MarkedHit(Hit):
    """A contact that the search found by place and mark: it has to show its marks."""

    website: str | None = None
    tags: tuple[str, ...]
    kind: str = Field(alias="type")

    def hides_hosts(self) -> bool:
        """Whether it does not say its website, or is at no host at all."""
        return "website" not in self.model_fields_set or not self.hosts()

    def hosts(self) -> tuple[str, ...]:
        return _hosts(normalised(self.addresses()), self.website)

    def contact(self) -> Contact:
        """As we know it; DND and activity are unknown to a search and not looked at."""
        return Contact(
            id=self.id,
            emails=normalised(self.addresses()),
            hosts=self.hosts(),
            tags=self.tags,
            kind=self.kind,
            dnd_email=False,
            last_contacted_at=None,
        )


class FullContact(MarkedHit):
    """A contact as hit and single read say it together."""

    dnd: bool
    dnd_settings: _DndSettings = Field(alias="dndSettings")
    inbound_dnd: _InboundDnd | None = Field(default=None, alias="inboundDndSettings")
    last_activity: datetime | None = Field(default=None, alias="lastActivity")

    @field_validator("last_activity", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value

    def blocks_email(self) -> bool:
        inbound = self.inbound_dnd is not None and self.inbound_dnd.everything.on
        return self.dnd or self.dnd_settings.email.on or inbound

    def contact(self) -> Contact:
        last = self.last_activity
        at = last if last is None or last.tzinfo else last.replace(tzinfo=UTC)
        return replace(super().contact(), dnd_email=self.blocks_email(), last_contacted_at=at)


def normalised(addresses: Iterable[str]) -> tuple[str, ...]:
    """The addresses in normal form; what is no address is left out."""
    normal: list[str] = []
    for address in addresses:
        with contextlib.suppress(BadInput):
            normal.append(normalise_email(address))
    return tuple(normal)


def _hosts(emails: tuple[str, ...], website: str | None) -> tuple[str, ...]:
    hosts = [email.rpartition("@")[2] for email in emails]
    if website:
        address = website if "//" in website else f"//{website}"
        with contextlib.suppress(BadInput, ValueError):
            hosts.append(normalise_domain(urlsplit(address.strip()).hostname or ""))
    return tuple(dict.fromkeys(hosts))


def _told(value: Any, name: str, others: Iterable[str]) -> Any:
    """`value`, unless `name` is absent from it beside names we do not know."""
    if isinstance(value, dict) and name not in value and not set(value) <= set(others):
        raise PydanticCustomError("unknown_channel", "unknown channels, and not the one we need")
    return value
