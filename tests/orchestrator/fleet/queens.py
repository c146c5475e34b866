"""Sessions in tests: queens who live on a store, die, and have what they claimed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text, update

from guardrails.clock import Clock
from guardrails.leases import Holder, take
from guardrails.model import Mode
from guardrails.store import Store
from guardrails.store.fleet_tables import workers
from guardrails.store.moments import db_moment
from orchestrator.fleet.claims import Claims


@dataclass
class Queen:
    """A session, and its claims. `alive` is what she believes of herself."""

    store: Store
    clock: Clock
    mode: Mode = Mode.ASSISTED
    name: str = "a"
    alive: bool = True
    number: int = 1  # of her sessions

    @property
    def session(self) -> str:
        return f"{self.name}.{self.number}"

    @property
    def claims(self) -> Claims:
        return Claims(self.store, self.clock, self, self.mode)

    async def ready(self, *, idle: bool) -> bool:
        return self.alive

    async def lives(self) -> Queen:
        """Her session begins."""
        holder = Holder(self.name, "here", 7, "1", self.mode.value)
        await self.store.run(lambda conn: take(conn, holder, self.session, 60))
        return self

    async def dies(self) -> None:
        """Her lease has run out."""
        mine = workers.c.session == self.session
        gone = update(workers).where(mine).values(lease_until=db_moment(-1))
        await self.store.run(lambda conn: conn.execute(gone))

    async def has(self, table: str) -> int:
        """How many rows name her."""
        asked = text(f"SELECT count(*) FROM {table} WHERE claimed_by = :me")
        found = await self.store.query(
            lambda conn: conn.execute(asked, {"me": self.session}).scalar_one()
        )
        return int(found)
