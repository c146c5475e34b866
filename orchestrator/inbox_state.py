"""How far a delivery from outside has got. Owns: the names; the command line loads no more."""

from __future__ import annotations

from enum import StrEnum


class InboxState(StrEnum):
    """How far a delivery has got."""

    NEW = "new"  # to be worked on, not before `not_before`
    DONE = "done"
    JUNK = "junk"  # nothing that we understand
    FAILED = "failed"  # tried MAX_ATTEMPTS times


# Of a signed delivery: another sub-account of the same app. Nothing of ours is missed by it.
ANOTHER_LOCATION = "it belongs to another location than GHL_LOCATION_ID"
