"""Trying a key. Owns: what each way of failing means for the key that was tried.

Nothing is raised: that a key does not work is the answer, not an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from guardrails.errors import SwarmError, VendorRejected, VendorSchemaDrift
from servers.common.contract_access import Access, Door, DoorStatus

Read = Callable[[], Awaitable[str]]
_MAX_SEEN = 200


async def access_of(reads: Mapping[str, Read]) -> Access:
    """Each read tried once, one after another: a check must not use up a vendor's limit."""
    return Access(doors=tuple([await tried(name, read) for name, read in reads.items()]))


async def tried(name: str, read: Read) -> Door:
    """What `read` came to; it answers what the vendor showed."""
    try:
        seen = await read()
    except VendorRejected as error:
        return _shut(name, "refused", error)
    except VendorSchemaDrift as error:
        return _shut(name, "odd", error)
    except SwarmError as error:  # also a stop, or a database that is away: not tried
        return _shut(name, "unreachable", error)
    return Door(name=name, status="ok", seen=one_line(seen))


def one_line(text: str) -> str:
    """Outside text for a report: printable, on one line, cut."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(shown.split())[:_MAX_SEEN]


def _shut(name: str, status: DoorStatus, error: SwarmError) -> Door:
    return Door(name=name, status=status, seen=one_line(error.message), remedy=error.remedy)
