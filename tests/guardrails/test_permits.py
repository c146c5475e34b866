"""A permit allows one write, once, now, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, text, update

from guardrails.audit import AuditEntry, AuditLog, AuditRef
from guardrails.brakes.stop import StopSwitch
from guardrails.errors import Refused, Stopped, StoreUnavailable
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.permits import Bound, Permit, PermitCheck, PermitMint, PermitRequest
from guardrails.store import Store
from guardrails.store.tables import stop_state

pytestmark = pytest.mark.anyio
BOUND = Bound(
    action="send_email", vendor="instantly", key="send:d-1", recipient_hash="a" * 64,
    content_hash="b" * 64, mode=Mode.LIVE, policy_version="p-1",
)  # fmt: skip


@dataclass
class Desk:
    """Mint and check over one hive."""

    hive: Hive
    store: Store
    log: AuditLog
    clock: Any
    mint: PermitMint
    check: PermitCheck

    async def authorized(self, **changes: Any) -> tuple[PermitRequest, AuditRef]:
        values = {**BOUND.model_dump(), "bank_version": "b-1", "stop_epoch": 0, **changes}
        request = PermitRequest(**values)
        body = {"permit": request.model_dump(mode="json")}
        [ref] = await self.log.record([AuditEntry("authorize", "gate", body)])
        return request, ref

    async def token(self, **changes: Any) -> str:
        return self.mint.mint(*await self.authorized(**changes))


@pytest.fixture
async def desk(hive: Hive, store: Store, clock: Any) -> AsyncIterator[Desk]:
    log = AuditLog(hive, store, clock)
    stop = StopSwitch(hive, store)
    yield Desk(
        hive, store, log, clock,
        PermitMint(hive, log, stop, clock), PermitCheck(hive, store, stop, clock, "instantly"),
    )  # fmt: skip
    log.close()


def stop_in_database(store: Store, **values: Any) -> None:
    with store.transaction() as conn:
        conn.execute(update(stop_state).values(**values))


async def test_a_permit_is_accepted_once_for_exactly_its_write(desk: Desk) -> None:
    token = await desk.token(approver="U-salted")
    permit = await desk.check.verify_and_spend(token, BOUND)
    assert (permit.approver, permit.exp - permit.iat) == ("U-salted", 30)
    with pytest.raises(Refused, match="used"):
        await desk.check.verify_and_spend(token, BOUND)


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("action", "create_contact"),
        ("vendor", "ghl"),
        ("key", "send:d-2"),
        ("recipient_hash", "c" * 64),
        ("content_hash", "c" * 64),
        ("mode", Mode.ASSISTED),
        ("policy_version", "p-2"),
    ],
)
async def test_a_permit_for_something_else_is_refused_and_stays_unspent(
    desk: Desk, field: str, other: Any
) -> None:
    token = await desk.token()
    with pytest.raises(Refused, match="another"):
        await desk.check.verify_and_spend(token, BOUND.model_copy(update={field: other}))
    assert await desk.check.verify_and_spend(token, BOUND)


async def test_what_is_done_along_with_the_spending_is_done_or_undone_with_it(desk: Desk) -> None:
    token, done = await desk.token(), []

    def fail(_conn: Any, _permit: Permit) -> None:
        raise Refused("the ledger says no")

    with pytest.raises(Refused, match="ledger"):
        await desk.check.verify_and_spend(token, BOUND, also=fail)
    await desk.check.verify_and_spend(token, BOUND, also=lambda _, permit: done.append(permit.jti))
    with pytest.raises(Refused, match="used"):
        await desk.check.verify_and_spend(token, BOUND, also=lambda _, p: done.append(p.jti))
    assert len(done) == 1


async def test_a_permit_that_ends_while_it_waits_for_the_database_is_not_spent(desk: Desk) -> None:
    class Slow:
        """A store whose turn comes late."""

        async def run(self, call: Any) -> Any:
            desk.clock.step(30)
            return await desk.store.run(call)

    slow: Any = Slow()
    check = PermitCheck(desk.hive, slow, StopSwitch(desk.hive, desk.store), desk.clock, "x")
    with pytest.raises(Refused, match="expired"):
        await check.verify_and_spend(await desk.token(), BOUND)


async def test_a_permit_ends_to_the_second(desk: Desk) -> None:
    token = await desk.token()
    desk.clock.step(29)
    assert desk.check.verify(token, BOUND)
    desk.clock.step(1)
    with pytest.raises(Refused, match="expired"):
        await desk.check.verify_and_spend(token, BOUND)


async def test_a_permit_from_the_future_is_refused(desk: Desk) -> None:
    token = await desk.token()
    desk.clock.step(-6)
    with pytest.raises(Refused, match="clocks"):
        await desk.check.verify_and_spend(token, BOUND)


@pytest.mark.parametrize("seconds", [0, -1, 301])
async def test_a_permit_lives_seconds_only(desk: Desk, seconds: int) -> None:
    with pytest.raises(Refused, match="lives"):
        desk.mint.mint(*await desk.authorized(), seconds=seconds)


async def test_no_permit_in_shadow_mode(desk: Desk) -> None:
    with pytest.raises(Refused, match="shadow"):
        await desk.token(mode=Mode.SHADOW)


async def test_no_permit_is_good_for_a_process_in_shadow_mode(desk: Desk) -> None:
    token = await desk.token()
    with pytest.raises(Refused, match="shadow"):
        await desk.check.verify_and_spend(token, BOUND.model_copy(update={"mode": Mode.SHADOW}))


async def test_a_token_of_another_key_is_refused(desk: Desk) -> None:
    payload = _payload(await desk.token())
    forged = jwt.encode(payload, Ed25519PrivateKey.generate(), "EdDSA", {"typ": "permit+jwt"})
    with pytest.raises(Refused, match="forged"):
        await desk.check.verify_and_spend(forged, BOUND)


async def test_a_token_without_signature_is_refused(desk: Desk) -> None:
    payload = _payload(await desk.token())
    for forged in (
        jwt.encode(payload, None, "none", {"typ": "permit+jwt"}),
        _token({"alg": "None", "typ": "permit+jwt"}, payload, b""),
        _token({"alg": "EdDSA", "typ": "permit+jwt"}, payload, b""),
    ):
        with pytest.raises(Refused, match="forged"):
            await desk.check.verify_and_spend(forged, BOUND)


async def test_the_public_key_is_no_shared_secret(desk: Desk) -> None:
    import hashlib
    import hmac

    payload = _payload(await desk.token())
    public = (desk.hive.keys_dir / "permit.pub").read_bytes()
    signing = _token({"alg": "HS256", "typ": "permit+jwt"}, payload, b"").rstrip(".")
    mac = hmac.new(public, signing.encode(), hashlib.sha256).digest()
    with pytest.raises(Refused, match="forged"):
        await desk.check.verify_and_spend(f"{signing}.{_b64(mac)}", BOUND)


async def test_an_edited_permit_is_refused(desk: Desk) -> None:
    header, _, signature = (await desk.token()).split(".")
    payload = {**_payload(await desk.token()), "recipient_hash": "c" * 64}
    edited = f"{header}.{_b64(json.dumps(payload).encode())}.{signature}"
    with pytest.raises(Refused, match="forged"):
        await desk.check.verify_and_spend(
            edited, BOUND.model_copy(update={"recipient_hash": "c" * 64})
        )


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é" * 40, "." * 5000])
async def test_what_is_no_token_is_refused(desk: Desk, token: str) -> None:
    await desk.token()
    with pytest.raises(Refused):
        await desk.check.verify_and_spend(token, BOUND)


async def test_a_token_of_another_kind_signed_by_us_is_refused(desk: Desk) -> None:
    payload = _payload(await desk.token())
    for header, claims in (
        ({"typ": "JWT"}, payload),
        ({"typ": "permit+jwt"}, {**payload, "extra": 1}),
        ({"typ": "permit+jwt"}, {**payload, "exp": "99999999999"}),
        ({"typ": "permit+jwt"}, {k: v for k, v in payload.items() if k != "stop_epoch"}),
        ({"typ": "permit+jwt"}, {**payload, "exp": payload["iat"] + 3600}),
    ):
        signed = jwt.encode(claims, _signing_key(desk.hive), "EdDSA", header)
        with pytest.raises(Refused):
            await desk.check.verify_and_spend(signed, BOUND)


async def test_a_permit_made_before_a_stop_is_void_after_it_was_lifted(desk: Desk) -> None:
    token = await desk.token()
    stop_in_database(desk.store, stopped=True, epoch=1, reason="test")
    with pytest.raises(Stopped):
        await desk.check.verify_and_spend(token, BOUND)
    stop_in_database(desk.store, stopped=False)
    with pytest.raises(Stopped, match="after this permit"):
        await desk.check.verify_and_spend(token, BOUND)
    assert await desk.check.verify_and_spend(await desk.token(stop_epoch=1), BOUND)


async def test_a_decision_made_before_a_stop_gets_no_permit(desk: Desk) -> None:
    decided = await desk.authorized()
    stop_in_database(desk.store, stopped=True, epoch=1)
    with pytest.raises(Stopped):
        desk.mint.mint(*decided)
    stop_in_database(desk.store, stopped=False)
    with pytest.raises(Stopped, match="after this decision"):
        desk.mint.mint(*decided)


async def test_the_stop_file_alone_voids_permits(desk: Desk) -> None:
    token = await desk.token()
    desk.hive.stop_file.touch()
    with pytest.raises(Stopped):
        await desk.check.verify_and_spend(token, BOUND)
    with pytest.raises(Stopped):
        await desk.token()


async def test_a_stop_file_that_cannot_be_read_stops(desk: Desk) -> None:
    token = await desk.token()
    desk.hive.stop_file.symlink_to(desk.hive.stop_file)
    with pytest.raises(Stopped):
        await desk.check.verify_and_spend(token, BOUND)


async def test_a_missing_stop_row_stops(desk: Desk) -> None:
    token = await desk.token()
    with desk.store.transaction() as conn:
        conn.execute(delete(stop_state))
    with pytest.raises(Stopped, match="missing"):
        await desk.check.verify_and_spend(token, BOUND)


async def test_a_permit_that_cannot_be_spent_is_not_accepted(desk: Desk) -> None:
    token = await desk.token()
    with desk.store.transaction() as conn:
        conn.execute(text("DROP TABLE spent_permits"))
    with pytest.raises(StoreUnavailable):
        await desk.check.verify_and_spend(token, BOUND)


async def test_a_closed_store_accepts_nothing(desk: Desk) -> None:
    token = await desk.token()
    desk.store.close()
    with pytest.raises(StoreUnavailable):
        await desk.check.verify_and_spend(token, BOUND)


async def test_without_its_public_key_nothing_is_accepted(desk: Desk) -> None:
    token = await desk.token()
    key = desk.hive.keys_dir / "permit.pub"
    for content in (b"torn", _foreign_public()):
        key.write_bytes(content)
        with pytest.raises(Refused, match="public key"):
            await desk.check.verify_and_spend(token, BOUND)
        with pytest.raises(Refused, match="belong"):
            await desk.token()
    key.unlink()
    with pytest.raises(Refused, match="public key"):
        await desk.check.verify_and_spend(token, BOUND)


async def test_keys_are_private_files(desk: Desk) -> None:
    await desk.token()
    modes = {path.name: path.stat().st_mode & 0o777 for path in desk.hive.keys_dir.iterdir()}
    assert modes == {"permit.key": 0o600, "permit.pub": 0o600, "chain_id": 0o600}


async def test_of_threads_that_replay_a_permit_exactly_one_wins(desk: Desk) -> None:
    token = await desk.token()
    outcomes: list[str] = []
    barrier = threading.Barrier(8)

    def replay() -> None:
        barrier.wait()
        try:
            asyncio.run(desk.check.verify_and_spend(token, BOUND))
            outcomes.append("accepted")
        except Refused:
            outcomes.append("refused")

    threads = [threading.Thread(target=replay) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["accepted"] + ["refused"] * 7


_SPENDER = """
import asyncio, sys
from pathlib import Path
from guardrails.brakes.stop import StopSwitch
from guardrails.clock import parse
from guardrails.errors import Refused
from guardrails.hive import Hive
from guardrails.permits import Bound, PermitCheck
from guardrails.store import open_store
hive = Hive.open(Path(sys.argv[1]), sandbox=True)
store = open_store(hive, sys.argv[2] or None)
stop = StopSwitch(hive, store)
check = PermitCheck(hive, store, stop, lambda: parse(sys.argv[3]), "child")
print("ready", flush=True)
sys.stdin.readline()
try:
    asyncio.run(check.verify_and_spend(sys.argv[4], Bound.model_validate_json(sys.argv[5])))
    print("accepted")
except Refused:
    print("refused")
"""


@pytest.mark.processes
async def test_of_processes_that_replay_a_permit_exactly_one_wins(
    desk: Desk, store_url: str | None
) -> None:
    token, now = await desk.token(), desk.clock.now.isoformat()
    arguments = [str(desk.hive.path), store_url or "", now, token, BOUND.model_dump_json()]
    outcomes = await asyncio.to_thread(_race, arguments)
    assert sorted(outcomes) == ["accepted"] + ["refused"] * 3


def _race(arguments: list[str]) -> list[str]:
    """What four processes say that try to spend the same permit at once."""
    command = [sys.executable, "-P", "-c", _SPENDER, *arguments]
    pipe = subprocess.PIPE
    children = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    return [child.communicate(timeout=60)[0].strip() for child in children]


def _payload(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _token(header: dict[str, str], payload: dict[str, Any], signature: bytes) -> str:
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(_b64(part) for part in parts)


def _signing_key(hive: Hive) -> bytes:
    return (Path(hive.keys_dir) / "permit.key").read_bytes()


def _foreign_public() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
