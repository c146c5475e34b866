"""What a server finds when it tries its keys. Owns: the form of one harmless read and its answer.

Keys live in the servers' processes alone, so whoever wants to know whether they work asks there.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from servers.common.contract import Args, Result

DoorStatus = Literal[
    "ok",  # the vendor answered, and understandably
    "refused",  # it said no: key, scope, account or plan
    "unreachable",  # no answer, or a brake of ours is on: try again later
    "odd",  # an answer in another form than documented
    "not_set",  # there is no key or id to try
]


class CheckAccess(Args):
    """No arguments."""


class Door(Result):
    """One harmless read at a vendor."""

    name: str = Field(description="vendor.what, e.g. ghl.contacts: one for each kind of access.")
    status: DoorStatus
    seen: str = Field(description="What the vendor showed, or how it refused. Outside text.")
    remedy: str | None = Field(default=None, description="What to do when it is not ok.")


class Access(Result):
    """Every read that was tried."""

    doors: tuple[Door, ...]
