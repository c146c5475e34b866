"""A person's new text on its way to the queen. Owns: its form, and putting it into the inbox.

Apart from what she does with it, so that gateway and command line need nothing of her.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field
from sqlalchemy import Connection

from guardrails.approval_model import Via
from guardrails.model import Frozen
from orchestrator.inbox import Source, again, store


class Edit(Frozen):
    """What a person wants to be sent instead."""

    approval_id: str
    content_hash: str = Field(description="Of the text that they saw.")
    subject: str = Field(min_length=1, max_length=500)
    body: str = Field(min_length=1, max_length=20_000)
    by: str = Field(description="Salted id of the person.")
    via: Via


def submit(
    conn: Connection, edit: Edit, edit_id: str, at: datetime, lead_id: str | None = None
) -> bool:
    """Put an edit into the inbox, inside the caller's transaction; the queen takes it up.

    One that she could not work on is taken up anew when it is submitted again.

    Args:
        edit_id: the same submission has the same one, at most 70 characters.
        lead_id: whom it is about, so that it is found when they are to be forgotten.
    """
    id, body = f"edit:{edit_id}", edit.model_dump_json()
    new = store(conn, id, Source.EDIT, "edit", body, at, lead_id=lead_id)
    return new or again(conn, id, at)
