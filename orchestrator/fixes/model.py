"""A proposal. Owns: its form, and its file in the hive.

One JSON file each, replaced whole. Refuses ids that are none: they become file names.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from guardrails.errors import BadInput, DiskTrouble, NotFound
from guardrails.hive import Hive
from guardrails.model import digest

FixStatus = Literal[
    "proposed",  # nothing was changed
    "applied",  # a person applied it
    "reverted",  # a person applied it and took it back
]
_ID = re.compile(r"F-[0-9a-f]{8}\Z")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PatchOp(_Part):
    """One operation of RFC 6902."""

    op: Literal["test", "replace", "add", "remove"]
    path: str
    value: JsonValue = None

    def wire(self) -> dict[str, Any]:
        """As the RFC writes it."""
        found: dict[str, Any] = {"op": self.op, "path": self.path}
        return found if self.op == "remove" else found | {"value": self.value}


Patch = tuple[PatchOp, ...]


class Evidence(_Part):
    """What speaks for a diagnosis. `injected`: how many of the failures chaos made."""

    failures: int
    leads: int
    lead_ids: tuple[str, ...] = ()
    first_seen: str
    last_seen: str
    per_hour: float
    cost_micros: int
    injected: int
    signatures: tuple[str, ...]
    failure_ids: tuple[str, ...]
    details: tuple[str, ...]


class Trial(_Part):
    """One replay: failures of the cause, and how the leads ended."""

    failures: int
    leads: int
    states: Mapping[str, int]


class Measured(_Part):
    """The effect of a patch on the same leads, under twins that reproduce the failure."""

    at: str
    condition: str
    before: Trial
    after: Trial
    patch_digest: str

    @property
    def text(self) -> str:
        """One sentence."""
        return (
            f"{self.before.leads} leads replayed, {self.condition}: {self.before.failures} such "
            f"failures without the patch, {self.after.failures} with it"
        )


class Proposal(_Part):
    """A diagnosis and what to do about it.

    Args:
        subject: what it is about: a vendor, a server, a lead.
        patch: for `file` in config/; empty when only a person can act (`steps`).
        quarantine: the lead to leave alone when applied.
        not_measurable: why no replay can show the effect.
        audit_id: the record under which it was applied.
    """

    id: Annotated[str, Field(pattern=r"^F-[0-9a-f]{8}$")]
    diagnosis: str
    subject: str
    title: str
    text: str
    evidence: Evidence
    file: Literal["production.json"] = "production.json"
    patch: Patch = ()
    steps: tuple[str, ...] = ()
    expected: str
    quarantine: str | None = None
    measured: Measured | None = None
    not_measurable: str | None = None
    status: FixStatus = "proposed"
    inverse: Patch = ()
    created_at: str
    changed_at: str
    audit_id: str | None = None

    @property
    def applicable(self) -> bool:
        """Whether `swarm fixes apply` has something to do."""
        return bool(self.patch or self.quarantine)


def fix_id(diagnosis: str, subject: str, patch: Patch) -> str:
    """The same for the same diagnosis of the same thing with the same remedy."""
    return f"F-{digest([diagnosis, subject, [op.wire() for op in patch]])[:8]}"


class FixFiles:
    """The proposals of one hive."""

    def __init__(self, hive: Hive) -> None:
        self._directory = hive.fixes_dir

    def get(self, id: str) -> Proposal:
        """One proposal.

        Raises:
            BadInput: `id` is none, or its file is damaged.
            NotFound: there is none.
        """
        path = self._path(id)
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"no proposal {id} in this hive") from error
        except OSError as error:
            raise DiskTrouble(f"{path} cannot be read ({error.strerror})") from error
        try:
            found = Proposal.model_validate_json(content)
        except ValidationError as error:
            raise BadInput(
                f"{path.name} is damaged", remedy="Delete it: `swarm fixes list` makes it anew."
            ) from error
        if found.id != id:
            raise BadInput(f"{path.name} holds another proposal, {found.id}")
        return found

    def all(self) -> tuple[Proposal, ...]:
        """Every readable proposal, the latest first."""
        found = []
        for path in sorted(self._directory.glob("F-*.json")):
            try:
                found.append(self.get(path.stem))
            except (BadInput, NotFound):
                continue  # damaged, or gone since: `show` says so
        return tuple(sorted(found, key=lambda one: (one.changed_at, one.id), reverse=True))

    def put(self, proposal: Proposal) -> None:
        """Write it, whole or not at all.

        Raises:
            DiskTrouble: it cannot be written.
        """
        content = orjson.dumps(proposal.model_dump(mode="json"), option=orjson.OPT_INDENT_2)
        try:
            replace_file(self._path(proposal.id), content + b"\n")
        except OSError as error:
            raise DiskTrouble(f"the proposal cannot be written ({error.strerror})") from error

    def drop(self, id: str) -> None:
        """Forget a proposal that nothing speaks for any more."""
        self._path(id).unlink(missing_ok=True)

    def _path(self, id: str) -> Path:
        if not _ID.match(id):
            raise BadInput(f"{id!r} is no id of a fix", remedy="See `swarm fixes list`.")
        return self._directory / f"{id}.json"


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put `content` at `path` atomically and durably.

    Raises:
        OSError: it stays as it was.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
