"""What `swarm run` says of its e-mails, and by its exit code."""

from __future__ import annotations

from typing import Any

from guardrails.model import WriteAction
from guardrails.store import Store
from orchestrator.report import Json
from orchestrator.report_run import deliveries_document
from orchestrator.run_command import exit_code
from tests.conftest import SteppableClock
from tests.guardrails.ledger_samples import Book, limits, write


def report(deliveries: Json) -> Json:
    leads: dict[str, Any] = {"processed": 1, "total": 1, "crashed": 0}
    return {"leads": leads, "deliveries": deliveries, "mode": "live"}


def test_a_campaign_that_may_have_been_made_needs_a_person_though_no_email_is_unknown(
    store: Store, clock: SteppableClock
) -> None:
    book, made = Book(store, clock), write(WriteAction.CREATE_CAMPAIGN, "campaign:Swarm")
    book.claim("campaign:1", made)
    book.dispatch("campaign:1", book.bind("campaign:1"))
    with store.read() as conn:
        under_way = deliveries_document(conn, "R-1", limits(), clock())
    assert (under_way["unknown_writes"], exit_code(report(under_way))) == (0, 0)
    book.end("campaign:1", "unknown")
    with store.read() as conn:
        said = deliveries_document(conn, "R-1", limits(), clock())
    assert (said["by_state"], said["unknown_writes"]) == ({}, 1)
    assert exit_code(report(said)) == 1


def test_an_email_whose_attempts_broke_needs_a_person_and_one_that_waits_does_not() -> None:
    said: Json = {"by_state": {"sent": 1, "deferred": 2}, "unknown_writes": 0}
    assert exit_code(report(said)) == 0
    broken = report(said | {"by_state": {"sent": 1, "queued": 1}})
    assert exit_code(broken) == 1
    assert exit_code(broken | {"mode": "shadow"}) == 0  # nothing is tried there
