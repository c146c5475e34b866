"""Documents under their own digest. Owns: keeping and reading back what decisions were made from.

They hold people's data and can be erased, while the audit keeps the digest. Refuses to hand out a
text that is not what was recorded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection, select

from guardrails.errors import AuditBroken, BadInput, NotFound
from guardrails.store import Store, insert_if_absent
from guardrails.store.tables import documents

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """A text and its SHA-256."""

    digest: str
    kind: str
    text: str
    lead_id: str | None = None

    @classmethod
    def of(cls, kind: str, model: BaseModel, lead_id: str | None = None) -> Document:
        """`model` as JSON, under the digest of exactly that text."""
        text = model.model_dump_json()
        return cls(hashlib.sha256(text.encode()).hexdigest(), kind, text, lead_id)


def keep(conn: Connection, kept: Sequence[Document], at: str) -> None:
    """Write them, each once, inside the caller's transaction; `at` is UTC text."""
    for document in kept:
        values = {
            "digest": document.digest,
            "kind": document.kind,
            "lead_id": document.lead_id,
            "document": document.text,
            "created_at": at,
        }
        insert_if_absent(conn, documents, values)


def load(store: Store, digest: str, model: type[M]) -> M:
    """The document under `digest`, validated.

    Raises:
        NotFound: it was erased.
        AuditBroken: what is stored is not what was recorded.
        BadInput: it was written by a version whose form this one does not know.
    """
    with store.read() as conn:
        row = conn.execute(select(documents.c.document).where(documents.c.digest == digest)).first()
    if row is None or row.document is None:
        raise NotFound(
            "the inputs of this decision are gone: erased with the person's data",
            remedy="The record itself still tells it: `swarm explain`.",
        )
    if hashlib.sha256(row.document.encode()).hexdigest() != digest:
        raise AuditBroken(f"document {digest[:12]} in the database is not what was recorded")
    try:
        return model.model_validate_json(row.document)
    except ValidationError as error:
        raise BadInput(
            f"the recorded {model.__name__} cannot be read: {error.error_count()} problems",
            remedy="Replay with the swarm version that recorded the decision.",
        ) from error
