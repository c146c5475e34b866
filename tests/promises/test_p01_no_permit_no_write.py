"""P1: a process that holds a vendor's key writes against a permit for exactly that, or not at all.

Attacked twice: the HTTP stack itself through each adapter, below every service of ours; and real
server processes, called as any MCP client calls them, with the twins counting. That there is no
other way out is told by the source: `test_p01_one_way_out`.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from pydantic import ValidationError

from guardrails.clock import utc_now
from guardrails.config import load_config
from guardrails.config.loader import config_dir, policy_version
from guardrails.errors import Refused, Stopped, VendorError
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.store import Store, open_store
from servers.common.operations import Operation
from servers.ghl import contract as ghl_contract
from servers.ghl.vendor_writes import OPERATIONS as GHL
from servers.ghl.vendor_writes import GhlWriting
from servers.instantly import contract as instantly_contract
from servers.instantly.vendor_operations import OPERATIONS as INSTANTLY
from servers.instantly.vendor_writes import InstantlyPlatform
from servers.sandbox.host import Sandbox
from tests.conftest import SteppableClock
from tests.servers.attacks import Sample, attacks
from tests.servers.permits import MAILBOX, WIDE, PermitOffice, permit_office
from tests.servers.served import served
from tests.servers.wires import ScriptedWire, answer, client_over, safety_with, sandbox
from tests.servers.write_samples import ANA, ghl_samples, instantly_samples

pytestmark = pytest.mark.anyio
SAMPLES = [
    *(("ghl", sample) for sample in ghl_samples()),
    *(("instantly", sample) for sample in instantly_samples()),
]


@pytest.fixture
def offices(
    hive: Hive, sqlite_store: Store, clock: SteppableClock, tmp_path: Path
) -> Iterator[tuple[PermitOffice, PermitOffice]]:
    with permit_office(hive, sqlite_store, clock) as office, elsewhere(tmp_path, clock) as other:
        yield office, other


@contextmanager
def elsewhere(directory: Path, clock: Any, **told: Any) -> Iterator[PermitOffice]:
    """The office of another hive, whose permits are good there."""
    hive = Hive.open(directory / "another", sandbox=True)
    with (
        closing(open_store(hive)) as store,
        permit_office(hive, store, clock, **told) as office,
    ):
        yield office


def adapter(vendor: str, wire: ScriptedWire, office: PermitOffice) -> Any:
    """What has the method `write`, over the whole stack."""
    operations: tuple[Operation, ...] = GHL if vendor == "ghl" else INSTANTLY
    safety = safety_with(writes=office.desk())
    client = client_over(wire, operations, mode=Mode.LIVE, vendor=vendor, safety=safety)
    if vendor == "ghl":
        return GhlWriting(client, "loc-1", "2021-07-28", "2021-04-15")
    return InstantlyPlatform(client)


@pytest.mark.parametrize(
    ("vendor", "sample"), SAMPLES, ids=lambda value: getattr(value, "tool", value)
)
async def test_at_the_wire_no_operation_leaves_without_the_permit_for_it(
    offices: tuple[PermitOffice, PermitOffice], vendor: str, sample: Sample
) -> None:
    office, other = offices
    wire = ScriptedWire(answer(200, {"id": "x"}))
    writing = adapter(vendor, wire, office)
    tried = 0
    async for attack in attacks(office, other, sample, "a"):
        try:
            args = sample.args.model_validate(attack.arguments)
        except ValidationError:
            continue  # turned away by the contract already
        with pytest.raises((Refused, Stopped)):
            await writing.write(args)
        assert wire.seen == [], attack.name
        tried += 1
    assert tried >= 25
    [good] = await office.permits([sample.wanted("good")])
    args = sample.args.model_validate(sample.arguments("good", good))
    await write_once(writing, args)
    assert len(wire.seen) == 1  # what was missing in every attack was the permit
    with pytest.raises(Refused):
        await writing.write(args)
    assert len(wire.seen) == 1


async def write_once(writing: Any, args: Any) -> None:
    """Whatever the adapter makes of a scripted answer: the permit let it through."""
    with suppress(VendorError):
        await writing.write(args)


# -- real processes ---------------------------------------------------------------------------


@dataclass
class Front:
    """A real server, called as an MCP client does, before twins that count."""

    client: Client
    app: Sandbox
    office: PermitOffice
    other: PermitOffice

    def writes(self) -> int:
        """Write requests that the twins have had, refused ones included."""
        return int(self.app.site.counters.report()["by_kind"]["write"])

    async def call(self, tool: str, arguments: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
        """Whether it failed, and what it said."""
        done = await self.client.call_tool(tool, arguments)
        return bool(done.is_error), done.structured_content or {}

    async def listed(self, tool: str) -> list[dict[str, Any]]:
        """The one list that a tool without arguments answers."""
        failed, said = await self.call(tool, {})
        assert not failed, said
        [found] = [value for value in said.values() if isinstance(value, list)]
        return found

    async def resist(self, sample: Sample) -> None:
        """Attack one tool."""
        before = self.writes()
        async for attack in attacks(self.office, self.other, sample, sample.tool):
            failed, said = await self.call(sample.tool, attack.arguments)
            assert self.writes() == before, f"{sample.tool}, {attack.name}: it wrote"
            assert failed, f"{sample.tool}, {attack.name}: {said}"

    async def use(self, sample: Sample) -> str:
        """One permitted call is one write, however often it is repeated: its `vendor_ref`."""
        before, key = self.writes(), f"{sample.tool}:good"
        [permit] = await self.office.permits([sample.wanted(key)])
        failed, said = await self.call(sample.tool, sample.arguments(key, permit))
        assert not failed, f"{sample.tool}: {said}"
        assert self.writes() == before + 1, f"{sample.tool}: {said}"
        for edit in sample.edits:
            await self.call(sample.tool, sample.arguments(key, permit, **edit))
        failed, again = await self.call(sample.tool, sample.arguments(key, permit))
        assert not failed, again
        assert self.writes() == before + 1, f"{sample.tool}: replayed"
        return str(said["vendor_ref"])


@asynccontextmanager
async def front(tmp_path: Path, server: str) -> AsyncIterator[Front]:
    """A live server over twins, and the offices of its hive and of another one."""
    # The search finds what was made at once: how it lags is tested at its adapter.
    config, app = live_config(tmp_path), sandbox(ghl_search_lag_s=0)
    hive = Hive.open(tmp_path / "hive", sandbox=True)
    store = open_store(hive)
    told: dict[str, Any] = {"policy_version": policy_version(load_config(config))}
    try:
        with (
            permit_office(hive, store, utc_now, **told) as office,
            elsewhere(tmp_path, utc_now, **told) as other,
        ):
            async with served(app) as keys:
                env = {**keys, "HIVE_MIND_DIR": str(hive.path), "SWARM_SANDBOX": "1",
                       "SWARM_CONFIG": str(config)}  # fmt: skip
                command = StdioServerParameters(
                    command=sys.executable, args=["-P", "-m", f"servers.{server}"], env=env
                )
                with anyio.fail_after(100):
                    async with Client(command) as client:
                        yield Front(client, app, office, other)
    finally:
        store.close()


def live_config(directory: Path) -> Path:
    """The shipped configuration, live, with sending caps that never matter."""
    copied = Path(shutil.copytree(config_dir(), directory / "config"))
    file = copied / "production.json"
    production = json.loads(file.read_text())
    production["mode"] = "live"
    production["sending_limits"] |= WIDE
    file.write_text(json.dumps(production))
    return copied


def test_every_write_tool_is_attacked() -> None:
    for vendor, contract in (("ghl", ghl_contract), ("instantly", instantly_contract)):
        tools = {spec.name for spec in contract.TOOLS if not spec.read_only}
        # These read the vendor and settle our own ledger.
        settling = {name for name in tools if name.startswith("reconcile_")}
        assert tools - settling == {spec.name for spec in contract.WRITES}
        attacked = {sample.tool for each, sample in SAMPLES if each == vendor}
        assert tools - settling - {"pause_all"} == attacked


@pytest.mark.processes
async def test_the_ghl_server_writes_against_permits_alone(tmp_path: Path) -> None:
    async with front(tmp_path, "ghl") as server:
        [pipeline] = await server.listed("list_pipelines")
        [flow] = [one for one in await server.listed("list_workflows") if one["id"]][:1]
        place = (pipeline["id"], pipeline["stages"][0]["id"], flow["id"])
        [upsert, *_] = ghl_samples()
        await server.resist(upsert)
        contact = await server.use(upsert)
        for sample in ghl_samples(contact, *place)[1:]:
            await server.resist(sample)
            await server.use(sample)
        assert server.writes() == len(ghl_samples())


@pytest.mark.processes
async def test_the_instantly_server_writes_against_permits_alone(tmp_path: Path) -> None:
    async with front(tmp_path, "instantly") as server:
        received = server.app.twins["instantly"].workspace.receive(  # type: ignore[attr-defined]
            ANA, MAILBOX, "Your hiring", "Tell me more."
        )
        [ensure, *_] = instantly_samples()
        await server.resist(ensure)
        campaign = await server.use(ensure)
        for sample in instantly_samples(campaign, received["id"])[1:]:
            await server.resist(sample)
            if sample.tool == "pause_campaign":
                await resist_pause_all(server, sample)
            await server.use(sample)
        assert server.writes() == len(instantly_samples())


async def resist_pause_all(server: Front, sample: Sample) -> None:
    """The same against the tool that takes many; it tells of what it could not pause."""
    before = server.writes()
    async for attack in attacks(server.office, server.other, sample, "pause_all"):
        _, said = await server.call("pause_all", {"pauses": [attack.arguments]})
        assert server.writes() == before, f"pause_all, {attack.name}: it wrote"
        assert not said.get("paused"), f"pause_all, {attack.name}: {said}"
