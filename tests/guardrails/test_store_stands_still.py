"""Who stands still inside a transaction keeps nobody waiting for longer than they would wait."""

import pytest
from sqlalchemy import text

from guardrails.store import Store
from guardrails.store.engine import BUSY_MS, STILL_MS


@pytest.mark.postgres
@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_a_session_that_stands_still_in_a_transaction_is_ended_before_others_give_up(
    store: Store,
) -> None:
    shown = text("SHOW idle_in_transaction_session_timeout")
    with store.read() as conn:
        assert conn.execute(shown).scalar_one() == f"{STILL_MS // 1000}s"
    assert STILL_MS < BUSY_MS
