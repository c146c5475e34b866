"""Whether a domain takes mail, asked of DNS. Owns: the reading of MX answers.

Reserved domains take no mail and are not asked for. Refuses to read silence as "no": what could
not be asked is unknown.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.resolver import NXDOMAIN, Answer, NoAnswer

from servers.enricher.mail import is_reserved

DNS_TIMEOUT_S = 3.0


class AsksDns(Protocol):
    """The part of dnspython's asynchronous resolver that is used."""

    async def resolve(self, qname: str, rdtype: str) -> Answer:
        """Raises a `DNSException` when there is no such record or no answer."""


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
