"""A link by which one person leaves, and by which nobody else can be made to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.errors import BadInput, NotFound
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.suppression import is_suppressed, suppress_hash
from guardrails.unsubscribe import leaver, token
from tests.conftest import SteppableClock

SALT = bytes(range(32))
LEAD = "L-" + "0a" * 10
GOOD = token(SALT, LEAD, "Ana+crm@firm.example")


def test_a_token_leads_to_its_person_in_every_spelling_of_address_and_link() -> None:
    found = leaver(SALT, GOOD)
    assert found.lead_id == LEAD
    assert token(SALT, LEAD, "ana@FIRM.example") == GOOD
    assert leaver(SALT, GOOD.upper()) == found


def test_what_it_names_is_suppressed_for_good(
    store: Store, hive: Hive, clock: SteppableClock
) -> None:
    salt = hive.salt()
    found = leaver(salt, token(salt, LEAD, "ana+crm@firm.example"))
    with store.transaction() as conn:
        assert suppress_hash(conn, found.hashed, "email", "opt_out", "link", clock())
        assert not suppress_hash(conn, found.hashed, "email", "opt_out", "link", clock())
        assert is_suppressed(conn, salt, "Ana@firm.example") == "opt_out"
        assert is_suppressed(conn, salt, "bob@firm.example") is None


def test_it_reads_as_one_word_and_says_nothing_of_the_address() -> None:
    assert GOOD.isalnum()
    assert len(GOOD) == 93
    assert token(SALT, LEAD, "bob@firm.example")[:16] == GOOD[:16]  # the lead
    assert token(SALT, LEAD, "bob@firm.example")[16:] != GOOD[16:]


@given(st.integers(0, 92), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_one_changed_character_makes_it_nobodys(at: int, character: str) -> None:
    changed = GOOD[:at] + character + GOOD[at + 1 :]
    # The last character carries bits that no byte needs: some changes of it are no change.
    if changed == GOOD or at == 92:
        return
    with pytest.raises(NotFound):
        leaver(SALT, changed)


@given(
    st.text(max_size=120) | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567=", min_size=93, max_size=93)
)
def test_whatever_else_is_written_there_is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        leaver(SALT, text)


def test_another_hives_token_is_nobodys() -> None:
    with pytest.raises(NotFound):
        leaver(bytes(32), GOOD)


@pytest.mark.parametrize(("lead_id", "email"), [("L-1", "a@b.example"), (LEAD, "no address")])
def test_nonsense_gets_no_token(lead_id: str, email: str) -> None:
    with pytest.raises(BadInput):
        token(SALT, lead_id, email)
