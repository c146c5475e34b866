"""A hive to look at, and servers that answer what a test says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from guardrails.audit import AuditLog
from guardrails.errors import ServerUnavailable
from guardrails.hive import Hive
from guardrails.identity import lead_id
from guardrails.model import Decision, Mode
from guardrails.store import Store
from guardrails.versions import versions_of
from orchestrator.environment import Environment
from orchestrator.preflight.ground import Ground
from orchestrator.preflight.servers import Servers
from tests.conftest import SteppableClock
from tests.decision_samples import DOSSIER, LEAD, SALT, new_bank
from tests.guardrails.approval_samples import Assisted
from tests.guardrails.authorize_samples import Desk, in_mode


class Answers(Servers):
    """Answers by the tool's name; what it does not know does not run."""

    def __init__(self, **answers: Any) -> None:
        super().__init__({}, {})
        self._answers = answers
        self.asked: list[str] = []

    async def ask(self, server: str, spec: Any, args: Any) -> Any:
        self.asked.append(f"{server}.{spec.name}")
        found = self._answers.get(spec.name)
        if found is None:
            raise ServerUnavailable(f"{server} does not run")
        if isinstance(found, Exception):
            raise found
        return found(args) if callable(found) else found


@dataclass
class Yard:
    """One hive, its decisions, and the ground as a preflight sees it."""

    desk: Desk
    environment: dict[str, str] = field(default_factory=dict)

    def ground(self, **readiness: Any) -> Ground:
        """As it stands now; `readiness` changes that section of the configuration."""
        config = self.desk.config
        rules = config.production.readiness.model_copy(update=readiness)
        production = config.production.model_copy(update={"readiness": rules})
        config = config.model_copy(update={"production": production})
        return Ground(
            self.desk.hive, config, Environment(self.environment), self.desk.store,
            self.desk.clock, versions_of(config),
        )  # fmt: skip

    async def decided(self, number: int) -> Decision:
        """About another lead each time."""
        email = f"ana{number}@northwind.example"
        named = {"lead_id": lead_id(SALT, email), "dedupe_key": email, "email": email}
        lead = LEAD.model_copy(update=named | {"row": number + 1})
        dossier = DOSSIER.model_copy(update={"lead": lead})
        return await self.desk.decided(dossier=dossier, run_id=f"run-{number}")


def _yard(mode: Mode, hive: Hive, store: Store, clock: SteppableClock) -> Iterator[Yard]:
    audit = AuditLog(hive, store, clock)
    yield Yard(Assisted(hive, store, clock, audit, new_bank(hive, clock), in_mode(mode)))
    audit.close()


@pytest.fixture
def yard(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[Yard]:
    """In shadow."""
    yield from _yard(Mode.SHADOW, hive, sqlite_store, clock)


@pytest.fixture
def assisted_yard(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[Yard]:
    """In assisted mode."""
    yield from _yard(Mode.ASSISTED, hive, sqlite_store, clock)
