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


@pytest.mark.postgres
@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_the_server_is_told_to_give_up_who_is_cut_off_within_a_minute(store: Store) -> None:
    """That it does is shown with a pulled cable: `test_store_cut_off`."""
    asked = text(
        "SELECT name, reset_val::int FROM pg_settings "
        "WHERE name LIKE 'tcp_%' AND source = 'client' ORDER BY name"
    )
    with store.read() as conn:
        told = {row.name: row.reset_val for row in conn.execute(asked)}
    silent_s = told["tcp_keepalives_idle"]
    silent_s += told["tcp_keepalives_count"] * told["tcp_keepalives_interval"]
    assert 0 < silent_s <= 60
    assert 0 < told["tcp_user_timeout"] <= 60_000
