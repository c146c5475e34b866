"""Every server of ours, opened in this process over real parts: hive, database, twins on loopback.

In live mode, so that nothing but the missing permit keeps a write back.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from mcp.server.lowlevel import Server

from guardrails.bootstrap_hive import ensure_hive
from guardrails.clock import utc_now
from guardrails.config import load_config
from guardrails.hive import Hive
from guardrails.model.writes import WriteAction, WriteIntent
from guardrails.store import open_store
from servers.common.sender import SANDBOX_SENDER
from servers.sandbox.host import Sandbox
from tests.decision_samples import DOSSIER, DRAFT, QUALIFICATION
from tests.mcp.wire import ROOT
from tests.servers.permits import permit_office
from tests.servers.served import served
from tests.servers.wires import sandbox

SAMPLE = ROOT / "data" / "initial_batch.csv"


def live_config(folder: Path) -> Path:
    """A copy of config/ in live mode."""
    there = folder / "config"
    shutil.copytree(ROOT / "config", there)
    production = there / "production.json"
    told = json.loads(production.read_text()) | {"mode": "live"}
    production.write_text(json.dumps(told))
    return there


class House:
    """A folder with a hive and sample leads, and twins that count."""

    def __init__(self, folder: Path, app: Sandbox, vendors: dict[str, str]) -> None:
        self.folder = folder
        self.app = app
        leads = folder / "leads"
        leads.mkdir()
        shutil.copy(SAMPLE, leads / "sample.csv")
        self.sample = leads / "sample.csv"
        self.env = {
            "HIVE_MIND_DIR": str(folder / "hive"),
            "SWARM_SANDBOX": "1",
            "SWARM_CONFIG": str(live_config(folder)),
            "HUNTER_ROOTS": str(leads),
            **vendors,
        }
        self.permit = ""  # a real one, for a write that nobody will ask for

    @property
    def secrets(self) -> list[str]:
        """What no client may ever see."""
        return [text for name, text in self.env.items() if "KEY" in name or "TOKEN" in name]

    def hints(self) -> dict[str, list[Any]]:
        """What exists here, by the name of the argument that takes it."""
        crm: Any = self.app.twins["ghl"]
        contact, held = next(iter(crm.records.contacts.items()))
        workspace: Any = self.app.twins["instantly"]
        campaign = next(iter(workspace.workspace.campaigns))
        dossier, draft = DOSSIER.model_dump(mode="json"), DRAFT.model_dump(mode="json")
        mail = ["ana.voss@firm.example", held["email"], "info@firm.example"]
        return {
            "path": [str(self.sample), str(self.folder / "hive" / "hive.json"), "/etc/passwd"],
            "csv_text": [self.sample.read_text(), "Email\na@firm.example\n\"open"],
            "contact_id": [contact], "campaign_id": [campaign], "email": mail, "to": mail,
            "sender": [SANDBOX_SENDER.email, SANDBOX_SENDER.model_dump(mode="json")],
            "mailbox": [SANDBOX_SENDER.email], "value": ["firm.example", 5], "key": ["note:1"],
            "subject": ["A question about Firm"], "body": ["Hello Ana,\n\nyours, Robin"],
            "text": ["Called back"], "title": ["Call"], "pipeline": ["Outbound"],
            "stage": ["Contacted"], "domain": ["firm.example"], "permit": [self.permit],
            "lead": [dossier["lead"]], "dossier": [dossier], "draft": [draft],
            "qualification": [QUALIFICATION.model_dump(mode="json")],
            "features": [draft["features"]], "vendor": ["ghl", "instantly"],
            "recipient": [f"contact:{contact}", mail[0]], "tags": [["customer"]],
        }  # fmt: skip

    def writes(self) -> int:
        """Write requests that reached a vendor."""
        return int(self.app.site.counters.report()["by_kind"]["write"])

    @asynccontextmanager
    async def opened(self, name: str) -> AsyncIterator[Server[Any]]:
        """The server as its process opens it."""
        module = "orchestrator.__main__" if name == "orchestrator" else f"servers.{name}.__main__"
        opening = importlib.import_module(module).open_server
        with environment(self.env):
            context = opening()
            server = await context.__aenter__()
        try:
            yield server
        finally:
            await context.__aexit__(None, None, None)


async def _for_something_else(hive: Hive) -> str:
    intent = WriteIntent(
        vendor="ghl", action=WriteAction.ADD_NOTE, recipient="contact:other", content={"text": "x"}
    )
    store = open_store(hive)
    try:
        with permit_office(hive, store, utc_now) as office:
            return await office.permit(intent, "note:other")
    finally:
        store.close()


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """The process's variables, for as long as a server reads them."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    """The house, its twins answering."""
    app = sandbox()
    async with served(app) as vendors:
        built = House(folder, app, vendors)
        hive = ensure_hive(folder / "hive", True, load_config(folder / "config"), utc_now)
        built.permit = await _for_something_else(hive)
        yield built
