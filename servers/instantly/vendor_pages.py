"""Instantly's lists, page by page. Owns: cursors, when a list ends, and names for its numbers.

Refuses a list that may be cut off: a full page that names no next one, and one without an end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from guardrails.errors import VendorUnavailable
from servers.common.http import Answer, VendorClient
from servers.common.operations import Operation

PAGE = 100
CAMPAIGN_STATUS = {
    0: "draft", 1: "active", 2: "paused", 3: "completed", 4: "running_subsequences",
    -1: "accounts_unhealthy", -2: "bounce_protect", -99: "suspended",
}  # fmt: skip
LEAD_STATUS = {
    1: "active", 2: "paused", 3: "completed", -1: "bounced", -2: "unsubscribed", -3: "skipped",
}  # fmt: skip
INTEREST = {
    0: "out_of_office", 1: "interested", 2: "meeting_booked", 3: "meeting_completed", 4: "won",
    -1: "not_interested", -2: "wrong_person", -3: "lost", -4: "no_show",
}  # fmt: skip


class Wire(BaseModel):
    """A part of an answer; what we do not know is left aside."""

    model_config = ConfigDict(extra="ignore", frozen=True)


W = TypeVar("W", bound=Wire)


def page_of(answer: Answer, model: type[W]) -> tuple[list[W], str | None]:
    """The items of one page and the next cursor; an empty page is the last whatever it says."""
    document = answer.document()
    items, cursor = document.get("items"), document.get("next_starting_after")
    if not isinstance(items, list):
        raise answer.drift("no list of items")
    if cursor is not None and not isinstance(cursor, str):
        raise answer.drift("the cursor is not text")
    parsed = [answer.parsed_as(model, item) for item in items]
    return parsed, (cursor or None) if parsed else None


def whole_page(answer: Answer, model: type[W]) -> tuple[list[W], str | None]:
    """A page of `PAGE` items at most; a full one has to say where the next one starts."""
    parsed, cursor = page_of(answer, model)
    if cursor is None and len(parsed) >= PAGE:
        raise answer.drift("a full page names no next one", "next_starting_after")
    return parsed, cursor


async def every(
    client: VendorClient,
    operation: Operation,
    model: type[W],
    asked: Mapping[str, Any],
    pages: int,
) -> AsyncIterator[tuple[Answer, W]]:
    """Each item of a list, with the answer it stood in.

    Args:
        asked: the body of a POST, or the query of a GET.

    Raises:
        VendorUnavailable: there are more than `pages` pages.
    """
    asking = {**asked, "limit": PAGE}
    for _ in range(pages):
        answer = await _ask(client, operation, asking)
        items, cursor = whole_page(answer, model)
        for item in items:
            yield answer, item
        if cursor is None:
            return
        asking["starting_after"] = cursor
    raise VendorUnavailable(
        f"instantly {operation.name}: more than {PAGE * pages} items",
        vendor="instantly",
        operation=operation.name,
        remedy="Check that the vendor honours the filter; until then nothing is done on it.",
    )


async def _ask(client: VendorClient, operation: Operation, asked: dict[str, Any]) -> Answer:
    if operation.method == "POST":  # the cursor stands in the body
        return await client.request(operation, json=asked)
    return await client.request(operation, params=asked)


def named(names: dict[int, str], number: int) -> str:
    """The name of one of the vendor's numbers; `unknown(<number>)` for a new one."""
    return names.get(number, f"unknown({number})")
