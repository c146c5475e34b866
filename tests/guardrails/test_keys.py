"""A rotation voids every permit at once, and no crash leaves a key that is half there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from guardrails.audit import AuditEntry, AuditLog
from guardrails.brakes.stop import StopSwitch
from guardrails.errors import AuditUnwritable, BadInput, DiskTrouble, Refused
from guardrails.hive import Hive
from guardrails.keys import Rotated, rotate
from guardrails.model import Mode
from guardrails.permits import Bound, PermitCheck, PermitMint, PermitRequest
from guardrails.store import Store
from orchestrator.cli import app

pytestmark = pytest.mark.anyio
BOUND = Bound(
    action="send_email", vendor="ghl", key="send:1", recipient_hash="a" * 64,
    content_hash="b" * 64, mode=Mode.LIVE, policy_version="p-1",
)  # fmt: skip
REQUEST = PermitRequest(**BOUND.model_dump(), bank_version="b-1", stop_epoch=0)


@dataclass
class Desk:
    """Mint, check and rotation over one hive."""

    hive: Hive
    store: Store
    log: AuditLog
    mint: PermitMint
    check: PermitCheck

    async def token(self) -> str:
        body = {"permit": REQUEST.model_dump(mode="json")}
        [ref] = await self.log.record([AuditEntry("authorize", "gate", body)])
        return self.mint.mint(REQUEST, ref)

    async def rotate(self, reason: str = "test") -> Rotated:
        return await rotate(self.hive, self.store, self.log, "person:ops", reason)

    def files(self) -> set[str]:
        return {path.name for path in self.hive.keys_dir.iterdir()} - {"chain_id"}


@pytest.fixture
async def desk(hive: Hive, store: Store, clock: Any) -> AsyncIterator[Desk]:
    log = AuditLog(hive, store, clock)
    stop = StopSwitch(hive, store)
    mint = PermitMint(hive, log, stop, clock)
    yield Desk(hive, store, log, mint, PermitCheck(hive, store, stop, clock, "ghl"))
    log.close()


async def test_after_a_rotation_old_permits_are_void_and_new_ones_hold(desk: Desk) -> None:
    old = await desk.token()
    await desk.rotate()
    with pytest.raises(Refused, match="forged"):
        await desk.check.verify_and_spend(old, BOUND)
    assert await desk.check.verify_and_spend(await desk.token(), BOUND)


async def test_a_permit_that_was_checked_before_a_rotation_is_not_spent_after_it(
    desk: Desk,
) -> None:
    old = await desk.token()

    class Rotating:
        """A store in which somebody rotates between the check and the spending."""

        async def run(self, call: Any) -> Any:
            await desk.rotate()
            return await desk.store.run(call)

    stop = StopSwitch(desk.hive, desk.store)
    store: Any = Rotating()
    check = PermitCheck(desk.hive, store, stop, desk.check._clock, "ghl")
    with pytest.raises(Refused, match="rotated"):
        await check.verify_and_spend(old, BOUND)


async def test_a_rotation_is_on_record_with_both_keys_and_its_reason(desk: Desk) -> None:
    first, second = await desk.rotate(), await desk.rotate("a laptop was lost")
    assert first.old is None
    assert second.old == first.new
    record = desk.log.find(second.audit_id)
    assert record
    assert (record["kind"], record["actor"]) == ("config_change", "person:ops")
    named = {"old": second.old, "new": second.new}
    assert record["body"] == {"permit_keys": named, "reason": "a laptop was lost"}


async def test_without_a_reason_nothing_changes(desk: Desk) -> None:
    token = await desk.token()
    with pytest.raises(BadInput):
        await desk.rotate(" ")
    assert desk.check.verify(token, BOUND)


async def test_a_rotation_that_cannot_be_recorded_does_not_happen(desk: Desk) -> None:
    token = await desk.token()
    desk.hive.audit_dir.rename(desk.hive.path / "gone")
    with pytest.raises(AuditUnwritable):
        await desk.rotate()
    assert desk.check.verify(token, BOUND)


async def test_key_files_stay_private_and_no_draft_is_left(desk: Desk) -> None:
    await desk.token()
    await desk.rotate()
    assert desk.files() == {"permit.key", "permit.pub", ".rotation"}
    modes = {path.stat().st_mode & 0o777 for path in desk.hive.keys_dir.iterdir()}
    assert modes == {0o600}


async def test_a_staged_key_that_is_damaged_is_never_used(desk: Desk) -> None:
    token = await desk.token()
    (desk.hive.keys_dir / "permit.next").write_bytes(b"-----BEGIN PRIV")
    with pytest.raises(Refused, match="signing key"):
        await desk.token()
    with pytest.raises(Refused, match="signing key"):
        await desk.rotate()
    assert desk.check.verify(token, BOUND)  # the pair that stands is whole


async def test_keys_that_cannot_be_written_stop_the_rotation(desk: Desk) -> None:
    token = await desk.token()
    (desk.hive.keys_dir / ".rotation").mkdir()
    with pytest.raises(DiskTrouble):
        await desk.rotate()
    assert desk.check.verify(token, BOUND)


# Forks: one start of the interpreter for every moment of a crash. A process that dies by
# `os._exit` at its n-th touch of the keys leaves what a kill leaves.
_CRASHES = """
import asyncio, json, os, sys
from pathlib import Path
from guardrails.audit import AuditEntry, AuditLog
from guardrails.brakes.stop import StopSwitch
from guardrails.clock import utc_now
from guardrails.errors import Refused
from guardrails.hive import Hive
from guardrails.keys import rotate
from guardrails.permits import Bound, PermitCheck, PermitMint, PermitRequest
from guardrails.store import open_store
hive = Hive.open(Path(sys.argv[1]), sandbox=True)
bound = Bound.model_validate_json(sys.argv[2])
request = PermitRequest(**bound.model_dump(), bank_version="b", stop_epoch=0)

async def minted(log, mint):
    body = {"permit": request.model_dump(mode="json")}
    [ref] = await log.record([AuditEntry("authorize", "gate", body)])
    return mint.mint(request, ref, 300)

def holds(check, token):
    try:
        return bool(check.verify(token, bound))
    except Refused:
        return False

async def act(what, old):
    store = open_store(hive)
    log, stop = AuditLog(hive, store, utc_now), StopSwitch(hive, store)
    mint = PermitMint(hive, log, stop, utc_now)
    check = PermitCheck(hive, store, stop, utc_now, "x")
    if what == "mint":
        return await minted(log, mint)
    if what == "rotate":
        return (await rotate(hive, store, log, "person:ops", "test")).new
    before = holds(check, old)
    fresh = await minted(log, mint)
    names = sorted(path.name for path in hive.keys_dir.glob("permit.*"))
    return [before, holds(check, old), holds(check, fresh), names]

def forked(what, old="", die_at=0):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        touched = 0
        def hook(event, args):
            nonlocal touched
            if event not in ("open", "os.rename", "os.remove", "fcntl.flock"):
                return
            if event != "fcntl.flock" and "keys" not in str(args[0]):
                return
            touched += 1
            if touched == die_at:
                os._exit(9)
        if die_at:
            sys.addaudithook(hook)
        said = asyncio.run(act(what, old))
        os.write(writing, json.dumps(said).encode())
        os._exit(0)
    os.close(writing)
    said = b""
    while chunk := os.read(reading, 65536):
        said += chunk
    os.close(reading)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), json.loads(said) if said else None

found = []
for moment in range(1, 100):
    _, old = forked("mint")
    code, _ = forked("rotate", die_at=moment)
    found.append([code, forked("look", old)[1]])
    if code == 0:
        break
print(json.dumps(found))
"""


@pytest.mark.processes
def test_wherever_a_rotation_dies_there_is_one_whole_pair_of_keys(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", _CRASHES, str(tmp_path / "hive")]
    done = subprocess.run(
        [*command, BOUND.model_dump_json()], capture_output=True, text=True, timeout=100, check=True
    )
    found = json.loads(done.stdout)
    codes = [code for code, _ in found]
    assert codes == [9] * (len(codes) - 1) + [0]
    assert len(codes) > 8  # it did die at every step
    voided = []
    for _, (before, after, fresh, names) in found:
        assert fresh  # minting goes on by itself
        assert names == ["permit.key", "permit.pub"]  # what was staged is finished
        assert before or not after  # what was void stays void
        voided.append(not after)
    # Up to some moment nothing happened; from it on the rotation is done.
    assert voided == sorted(voided)
    assert voided[-1]
    assert not voided[0]


def test_the_command_rotates_and_tells_where_it_stands_on_record(
    hive: Hive, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(reason: str) -> tuple[Any, dict[str, Any]]:
        with pytest.raises(SystemExit) as ended:
            app(["keys", "rotate", "--reason", reason, "--hive", str(hive.path), "--json"])
        return ended.value.code, json.loads(capsys.readouterr().out)

    code, told = command("test")
    assert (code, told["old"]) == (0, None)
    code, again = command("test")
    assert (code, again["old"]) == (0, told["new"])
    assert again["audit_id"].startswith("A-")
    code, refused = command(" ")
    assert (code, refused["error"]["code"]) == (2, "bad_input")
