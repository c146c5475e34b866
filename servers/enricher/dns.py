"""Whether a domain takes mail. Owns: the reading of MX answers, and when not to ask.

In the sandbox no DNS is asked: reserved domains count as deliverable, others are unknown. Outside
it reserved domains take no mail. Refuses to read silence as "no": what could not be asked is
unknown.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.resolver import NXDOMAIN, Answer, NoAnswer

DNS_TIMEOUT_S = 3.0
_RESERVED = frozenset({"example", "test", "invalid", "localhost"})
_RESERVED_SECOND = frozenset({"example.com", "example.net", "example.org"})


class MailLookup(Protocol):
    """Whether a domain takes mail: yes, no, or None when it cannot be found out."""

    async def accepts_mail(self, domain: str) -> bool | None:
        """Bounded; never raises."""


class AsksDns(Protocol):
    """The part of dnspython's asynchronous resolver that is used."""

    async def resolve(self, qname: str, rdtype: str) -> Answer:
        """Raises a `DNSException` when there is no such record or no answer."""


class SandboxMail:
    """The sandbox's answer: reserved domains take mail, no DNS is asked."""

    async def accepts_mail(self, domain: str) -> bool | None:
        return True if is_reserved(domain) else None


class DnsMail:
    """Asks DNS for MX, and for an address record where there is none (RFC 5321, 5.1)."""

    def __init__(self, resolver: AsksDns | None, timeout_s: float = DNS_TIMEOUT_S) -> None:
        self._resolver = resolver
        self._timeout_s = timeout_s

    async def accepts_mail(self, domain: str) -> bool | None:
        if is_reserved(domain):
            return False
        if self._resolver is None:
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ask(self._resolver, domain)
        except (TimeoutError, DNSException, OSError):
            return None

    async def _ask(self, resolver: AsksDns, domain: str) -> bool:
        try:
            records = await resolver.resolve(domain, "MX")
        except NXDOMAIN:
            return False
        except NoAnswer:
            return await self._has_address(resolver, domain)
        # A single "." says that the domain takes no mail (RFC 7505).
        return any(str(record.exchange) != "." for record in records)

    async def _has_address(self, resolver: AsksDns, domain: str) -> bool:
        for kind in ("A", "AAAA"):
            try:
                await resolver.resolve(domain, kind)
            except NoAnswer:
                continue
            except NXDOMAIN:
                return False
            return True
        return False


def system_resolver() -> Resolver | None:
    """The machine's resolver, or None where none is configured."""
    try:
        resolver = Resolver()
    except (DNSException, OSError):
        return None
    resolver.lifetime = DNS_TIMEOUT_S
    return resolver


def is_reserved(domain: str) -> bool:
    """Whether nobody can own `domain` (RFC 2606)."""
    labels = domain.lower().rstrip(".").split(".")
    return labels[-1] in _RESERVED or ".".join(labels[-2:]) in _RESERVED_SECOND
