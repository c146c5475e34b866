"""One delivery on its way into the inbox. Owns: what makes two deliveries the same, and junk.

Ids are keyed hashes of the fields that a vendor repeats when it delivers twice, so that nothing
of a person stands in them. Refuses to lose anything: what is no JSON object, or names nobody, is
kept as junk under the digest of its bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection

from guardrails.clock import iso, parse
from guardrails.errors import BadInput
from guardrails.suppression import suppress_hash
from orchestrator.inbox import Source, document_of, store
from orchestrator.inbox_state import ANOTHER_LOCATION

KEPT_OF_JUNK = 20_000  # bytes: enough for a person to see what it was
_UNFIT = re.compile(r"[^\w.-]+", re.ASCII)
_READABLE = re.compile(r"[\w-]{8,64}\Z", re.ASCII)
Json = dict[str, Any]


@dataclass(frozen=True)
class Incoming:
    """A delivery that is to be stored. `junk` says why it is junk, when it is."""

    id: str
    source: Source
    kind: str
    body: str
    at: datetime
    junk: str | None = None
    lead_id: str | None = None

    def apply(self, conn: Connection) -> bool:
        """Store it inside the caller's transaction, once. Returns whether it is new.

        Somebody who leaves is suppressed in the same transaction.
        """
        if self.source is Source.UNSUBSCRIBE:
            hashed = document_of(self.body)["subject_hash"]
            suppress_hash(conn, hashed, "email", "opt_out", "unsubscribe_link", self.at)
        return store(
            conn,
            self.id,
            self.source,
            self.kind,
            self.body,
            self.at,
            junk=self.junk,
            lead_id=self.lead_id,
        )

    def line(self) -> bytes:
        """One line of JSON, from which `of_line` makes the same again."""
        return orjson.dumps(asdict(self) | {"at": iso(self.at)}) + b"\n"

    @classmethod
    def of_line(cls, line: bytes) -> Incoming | None:
        """The delivery in a line; None when the line is torn or not ours."""
        try:
            fields = orjson.loads(line)
            named = {**fields, "source": Source(fields["source"]), "at": parse(fields["at"])}
            return cls(**named)
        except (ValueError, TypeError, KeyError):
            return None


class Reader:
    """Makes deliveries out of bodies. Pure, given the hive's salt."""

    def __init__(self, salt: bytes, location_id: str | None = None) -> None:
        self._salt = salt
        self._location_id = location_id

    def rb2b(self, raw: bytes, at: datetime) -> Incoming:
        """A visitor: the same person, page and moment is the same delivery."""

        def read(found: Json) -> tuple[str, object]:
            who = _link(found.get("LinkedIn URL")) or _plain(found.get("Business Email"))
            who = who or _plain(found.get("Website")) or _plain(found.get("Company Name"))
            if not who:
                raise BadInput("it names neither a person nor a company")
            moment = (_plain(found.get("Captured URL")), _plain(found.get("Seen At")))
            return "visitor", [who, *moment] if any(moment) else None

        return self._read(Source.RB2B, raw, at, read)

    def instantly(self, raw: bytes, at: datetime) -> Incoming:
        """An event of a campaign. Instantly gives its events no id, so their facts are it."""

        def read(found: Json) -> tuple[str, object]:
            kind = _kind(found.get("event_type"))
            names = ("timestamp", "lead_email", "campaign_id", "email_id", "step", "variant")
            facts = [_plain(found.get(name)) for name in names]
            facts[1] = facts[1] or _plain(found.get("email"))  # it need not name the lead twice
            return kind, [kind, *facts] if facts[0] else None

        return self._read(Source.INSTANTLY, raw, at, read)

    def ghl(self, raw: bytes, at: datetime) -> Incoming:
        """A signed webhook of a Marketplace app: its `webhookId` is what makes it the same."""

        def read(found: Json) -> tuple[str, object]:
            kind = _kind(found.get("type"))
            self._require_our_location(found)
            return kind, _hook_id(found)

        return self._read(Source.GHL, raw, at, read)

    def ghl_workflow(self, raw: bytes, at: datetime) -> Incoming:
        """A workflow's custom webhook: no id and no time of its own unless somebody put it in.

        Without either, the same body within the same hour is the same delivery: a repeated
        reply that is taken for a copy would be lost, one that is taken twice is only seen twice.
        """

        def read(found: Json) -> tuple[str, object]:
            kind = _kind(found.get("type"))
            self._require_our_location(found)
            if (hook := _hook_id(found)) is not None:
                return kind, hook
            moment = None if found.get("timestamp") else iso(at)[:13]
            return kind, [kind, _digest(raw), moment]

        return self._read(Source.GHL, raw, at, read)

    def torn(self, source: Source, raw: bytes, at: datetime, why: str) -> Incoming:
        """A body that is too large, or did not come whole: kept in part, as junk."""
        return self._junk(source, raw, at, why)

    def _read(
        self,
        source: Source,
        raw: bytes,
        at: datetime,
        read: Callable[[Json], tuple[str, object]],
    ) -> Incoming:
        try:
            body = raw.decode()
            kind, same = read(document_of(body))
        except UnicodeDecodeError:
            return self._junk(source, raw, at, "the body is not UTF-8")
        except BadInput as error:
            return self._junk(source, raw, at, error.message)
        return Incoming(self._id(source, _digest(raw) if same is None else same), source, kind,
                        body, at)  # fmt: skip

    def _junk(self, source: Source, raw: bytes, at: datetime, why: str) -> Incoming:
        body = raw[:KEPT_OF_JUNK].decode(errors="backslashreplace")
        return Incoming(self._id(source, _digest(raw)), source, "junk", body, at, junk=why)

    def _id(self, source: Source, same: object) -> str:
        # A vendor's own id, or a digest, stays readable: that is what one looks for.
        if isinstance(same, str) and _READABLE.match(same):
            return f"{source.value}:{same}"
        text = b"inbox\0" + orjson.dumps(same)
        return f"{source.value}:{hmac.new(self._salt, text, hashlib.sha256).hexdigest()[:40]}"

    def _require_our_location(self, found: Mapping[str, Any]) -> None:
        stated = found.get("locationId")
        if self._location_id and stated is not None and stated != self._location_id:
            raise BadInput(ANOTHER_LOCATION)


def _hook_id(found: Mapping[str, Any]) -> str | None:
    stated = found.get("webhookId")
    return stated if isinstance(stated, str) and stated.strip() else None


def _kind(value: object) -> str:
    """The vendor's own word for what happened. Raises BadInput."""
    if not isinstance(value, str) or not value.strip():
        raise BadInput("it does not say what happened")
    return _UNFIT.sub("_", value.strip())[:40]


def _plain(value: object) -> str:
    return " ".join(str(value).split()).casefold() if value not in (None, "") else ""


def _link(value: object) -> str:
    return _plain(value).partition("?")[0].rstrip("/")


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
