"""Leads that somebody hands in, in the database. Owns: a submission's id and how far it has got.

A submission comes in like a visitor: stored in the inbox first, taken up by the queen, worked off
as a run of its own. Its id is made of the caller's key, or of the rows themselves, so that handing
the same in again finds the first one. Refuses a key that was used for other rows, and more at once
than the queen takes up.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import ValidationError
from sqlalchemy import Connection, func, select, update

from guardrails.clock import iso, parse
from guardrails.errors import BadInput, NotFound
from guardrails.model import Frozen, Mode
from guardrails.store.people_tables import inbox
from guardrails.store.tables import run_items, runs
from orchestrator.inbox import Received, Source, store
from orchestrator.inbox_state import InboxState
from orchestrator.visitors import SUBMITTED

MAX_BYTES = 1_000_000  # of the CSV text: what the hunter takes
MAX_ROWS = 1_000
MAX_WAITING = 100  # submissions that the queen has not taken up
CANCELLED = "cancelled"
_INBOX = "submission:"


class Submission(Frozen):
    """What is handed in. `csv_text` has a header line that the hunter knows."""

    submission_id: str
    csv_text: str


class Stage(StrEnum):
    """How far a submission has got."""

    WAITING = "waiting"  # in the inbox: the queen has not taken it up
    WORKING = "working"  # its leads are being decided about, or are on their way out
    DONE = "done"  # every lead has ended, or waits for a person
    CANCELLED = "cancelled"
    REFUSED = "refused"  # nothing that can be read; the note says why
    FAILED = "failed"  # tried again and again; a person looks at `swarm inbox list`


@dataclass(frozen=True)
class Found:
    """A submission as it stands. `run_id` and `mode` once it was taken up."""

    submission_id: str
    stage: Stage
    note: str | None
    received_at: datetime
    run_id: str | None = None
    mode: Mode | None = None
    total: int = 0
    open_rows: int = 0


def submission_id(csv_text: str, key: str | None) -> str:
    """`S-` and 16 hex digits: of the caller's key when there is one, else of the rows."""
    basis = f"key\0{key}" if key else f"rows\0{csv_text}"
    return f"S-{hashlib.sha256(basis.encode('utf-8', 'replace')).hexdigest()[:16]}"


def run_id_of(submission: str, mode: Mode) -> str:
    """Its run: one for each mode in which it is ever taken up, which is once."""
    return f"{submission}-{mode.value}"


def is_known(conn: Connection, submission: Submission) -> bool:
    """Whether exactly this was handed in before; when not, that it may be now.

    Raises:
        BadInput: its key was used for other rows, or too many wait.
    """
    where = inbox.c.id == inbox_id(submission.submission_id)
    known = conn.execute(select(inbox.c.kind).where(where)).scalar_one_or_none()
    if known is not None and known != _kind(submission.csv_text):
        raise BadInput(
            "key: it was used for other leads before",
            remedy="Give another key; follow_submission tells what became of the former ones.",
        )
    if known is not None:
        return True
    waiting = (inbox.c.source == Source.SUBMISSION.value, inbox.c.state == InboxState.NEW.value)
    number = conn.execute(select(func.count()).select_from(inbox).where(*waiting)).scalar_one()
    if number >= MAX_WAITING:
        raise BadInput(
            f"{number} submissions wait for the queen: no more are taken now",
            remedy="See get_status whether she works; submit again when she has taken them up.",
        )
    return False


def hand_in(conn: Connection, submission: Submission, at: datetime) -> bool:
    """Put it into the inbox, in the caller's transaction. False: it is there already.

    Raises:
        BadInput: as `is_known`.
    """
    if is_known(conn, submission):
        return False
    here, kind = inbox_id(submission.submission_id), _kind(submission.csv_text)
    return store(conn, here, Source.SUBMISSION, kind, submission.model_dump_json(), at)


def inbox_id(submission: str) -> str:
    """Where it stands in the inbox."""
    return f"{_INBOX}{submission}"


def read(received: Received) -> Submission:
    """The submission in a delivery.

    Raises:
        BadInput: it is none.
    """
    try:
        return Submission.model_validate_json(received.body or "")
    except ValidationError as error:
        raise BadInput("this is no submission") from error


def forget_body(conn: Connection, submission: str) -> None:
    """The rows stand in the run now, where each person can be erased by themselves."""
    conn.execute(update(inbox).where(inbox.c.id == inbox_id(submission)).values(body=None))


def find(conn: Connection, submission: str) -> Found:
    """How it stands.

    Raises:
        NotFound: there is no such submission.
    """
    where = inbox.c.id == inbox_id(submission)
    row = conn.execute(select(inbox).where(where)).one_or_none()
    if row is None:
        raise NotFound(
            f"no submission {submission:.40}", remedy="submit_leads gives the id of each."
        )
    run = conn.execute(
        select(runs).where(runs.c.run_key == f"{SUBMITTED}{submission}").limit(1)
    ).one_or_none()
    at = parse(row.received_at)
    if run is None:
        return Found(submission, _before(row.state, row.note), row.note, at)
    open_rows = conn.execute(
        select(func.count())
        .select_from(run_items)
        .where(run_items.c.run_id == run.run_id, run_items.c.state.is_(None))
    ).scalar_one()
    stage = Stage.WORKING if open_rows else Stage.DONE
    if run.status == "abandoned":
        stage = Stage.CANCELLED
    return Found(
        submission, stage, row.note, at, run.run_id, Mode(run.mode), run.total or 0, open_rows
    )


def new_run(
    submission: str, mode: Mode, *, sandbox: bool, total: int, at: str
) -> dict[str, object]:
    """Its row in `runs`."""
    return {
        "run_id": run_id_of(submission, mode),
        "run_key": f"{SUBMITTED}{submission}",
        "mode": mode.value,
        "sandbox": sandbox,
        "source": "mcp",
        "status": "running",
        "total": total,
        "created_at": at,
        "finished_at": None,
    }


def still_new(conn: Connection, id: str) -> bool:
    """Whether nobody has ended this delivery."""
    state = conn.execute(select(inbox.c.state).where(inbox.c.id == id)).scalar_one_or_none()
    return state == InboxState.NEW.value


def take_out(conn: Connection, submission: str, at: datetime) -> None:
    """End one that has no run yet, whether it waits for the queen or for a person, for good."""
    unfinished = (InboxState.NEW.value, InboxState.FAILED.value)
    here = (inbox.c.id == inbox_id(submission), inbox.c.state.in_(unfinished))
    values = {
        "state": InboxState.DONE.value,
        "body": None,
        "not_before": None,
        "note": f"{CANCELLED} at {iso(at)}",
        "updated_at": iso(at),
    }
    conn.execute(update(inbox).where(*here).values(values))


def _before(state: str, note: str | None) -> Stage:
    """The stage of one that has no run."""
    if state == InboxState.NEW.value:
        return Stage.WAITING
    if state == InboxState.FAILED.value:
        return Stage.FAILED
    return Stage.CANCELLED if (note or "").startswith(CANCELLED) else Stage.REFUSED


def _kind(csv_text: str) -> str:
    """Tells other rows under the same key apart, when the text itself is gone."""
    return f"leads:{hashlib.sha256(csv_text.encode('utf-8', 'replace')).hexdigest()[:32]}"
