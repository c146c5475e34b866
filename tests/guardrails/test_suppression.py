"""Once suppressed, always suppressed, in every spelling."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from guardrails.errors import BadInput
from guardrails.gathering import subjects
from guardrails.hive import Hive
from guardrails.identity import subject_hash
from guardrails.store import Store
from guardrails.store.tables import suppressions
from guardrails.suppression import is_suppressed, suppress
from tests.decision_samples import dossier


@pytest.mark.parametrize(
    "spelling",
    ["ana@firm.example", "ANA@Firm.Example", "ana+news@firm.example"],
)
def test_an_address_is_suppressed_in_every_spelling(
    store: Store, hive: Hive, clock: Any, spelling: str
) -> None:
    with store.transaction() as conn:
        assert suppress(conn, hive.salt(), "Ana+crm@firm.example", "email", "opt_out", "t", clock())
        assert is_suppressed(conn, hive.salt(), spelling) == "opt_out"
        assert is_suppressed(conn, hive.salt(), "bob@firm.example") is None


def test_a_domain_covers_everything_below_it_and_nothing_beside(
    store: Store, hive: Hive, clock: Any
) -> None:
    salt = hive.salt()
    with store.transaction() as conn:
        suppress(conn, salt, "Firm.example", "domain", "partner", "import", clock())
        assert is_suppressed(conn, salt, "ana@a.b.firm.example") == "partner"
        assert is_suppressed(conn, salt, "ana@firm.example") == "partner"
        assert is_suppressed(conn, salt, "ana@notfirm.example") is None
        assert is_suppressed(conn, salt, "ana@firm.example.test") is None


@pytest.mark.parametrize(
    ("listed", "known"),
    [
        ("firm.example", {"domain": "a.b.firm.example"}),
        ("firm.example", {"website": "https://www.Firm.example/about", "domain": None}),
        ("b\u00fccher.example", {"website": "shop.xn--bcher-kva.example"}),
        ("gov.uk", {"email": "ana@agency.gov.uk"}),  # nobody registered it, and it covers all below
        ("ana@firm.example", {"email": "ana.+crm@firm.example"}),
    ],
)
def test_before_a_decision_everything_is_asked_that_is_asked_before_a_permit(
    hive: Hive, listed: str, known: dict[str, Any]
) -> None:
    salt = hive.salt()
    assert subject_hash(salt, listed) in subjects(dossier(known), salt)
    assert subject_hash(salt, listed) not in subjects(dossier(), salt)


def test_the_first_reason_stays(store: Store, hive: Hive, clock: Any) -> None:
    salt = hive.salt()
    with store.transaction() as conn:
        suppress(conn, salt, "ana@firm.example", "email", "complaint", "t", clock())
        clock.step(60)
        assert not suppress(conn, salt, "ana@firm.example", "email", "opt_out", "t", clock())
        suppress(conn, salt, "firm.example", "domain", "partner", "t", clock())
        assert is_suppressed(conn, salt, "ana@firm.example") == "complaint"


def test_the_list_holds_no_address(store: Store, hive: Hive, clock: Any) -> None:
    with store.transaction() as conn:
        suppress(conn, hive.salt(), "ana@firm.example", "email", "opt_out", "t", clock())
        rows = conn.execute(select(suppressions)).all()
    assert "firm" not in repr(rows)


def test_nonsense_gets_no_answer(store: Store, hive: Hive, clock: Any) -> None:
    with store.transaction() as conn:
        with pytest.raises(BadInput):
            is_suppressed(conn, hive.salt(), "nobody")
        with pytest.raises(BadInput):
            suppress(conn, hive.salt(), "firm.example", "email", "opt_out", "t", clock())
        with pytest.raises(BadInput):
            suppress(conn, hive.salt(), "ana@firm.example", "domain", "opt_out", "t", clock())
