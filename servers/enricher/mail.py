"""Whether a domain takes mail. Owns: the port, and the sandbox's answer.

In the sandbox no DNS is asked: reserved domains count as deliverable, others are unknown.
"""

from __future__ import annotations

from typing import Protocol

_RESERVED = frozenset({"example", "test", "invalid", "localhost"})
_RESERVED_SECOND = frozenset({"example.com", "example.net", "example.org"})


class MailLookup(Protocol):
    """Whether a domain takes mail: yes, no, or None when it cannot be found out."""

    async def accepts_mail(self, domain: str) -> bool | None:
        """Bounded; never raises."""


class SandboxMail:
    """The sandbox's answer: reserved domains take mail, no DNS is asked."""

    async def accepts_mail(self, domain: str) -> bool | None:
        return True if is_reserved(domain) else None


def is_reserved(domain: str) -> bool:
    """Whether nobody can own `domain` (RFC 2606)."""
    labels = domain.lower().rstrip(".").split(".")
    return labels[-1] in _RESERVED or ".".join(labels[-2:]) in _RESERVED_SECOND
