"""Permits: leave to do one thing, once, within seconds. Owns: minting, checking and spending.

A permit is an Ed25519-signed token that names the action, the recipient, the content and the
audit record that allows it. It is minted only when that record is on disk and says the very same
(P2), never in shadow (P4), and void after a stop (P5). It is spent in the database by the
process that performs the write; a second use finds it spent.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jwt.types import Options
from pydantic import Field, ValidationError
from sqlalchemy import Connection

from guardrails.audit import AuditLog, AuditRef
from guardrails.brakes.stop import StopSwitch
from guardrails.clock import Clock, iso
from guardrails.errors import Refused, Stopped
from guardrails.hive import Hive, create_once
from guardrails.model import Frozen, Mode
from guardrails.store import Store, insert_if_absent
from guardrails.store.tables import spent_permits

MAX_SECONDS = 300
CLOCK_SKEW_S = 5
_ALGORITHM = "EdDSA"
_TYPE = "permit+jwt"


class Bound(Frozen):
    """What a permit is for. The process that writes states the same from what it is about to do."""

    action: str = Field(description="Operation, e.g. send_email.")
    vendor: str
    recipient_hash: str = Field(description="identity.subject_hash of the address.")
    content_hash: str = Field(description="Draft.content_hash of exactly what goes out.")
    mode: Mode
    policy_version: str


class PermitRequest(Bound):
    """What is asked for; `model_dump(mode="json")` stands as `permit` in the audit record."""

    bank_version: str
    approver: str | None = Field(default=None, description="Salted id of the approving person.")
    stop_epoch: int = Field(ge=0, description="Epoch in which the decision was made.")


class Permit(PermitRequest):
    """A permit whose signature holds. Times are seconds since 1970, UTC."""

    jti: str = Field(description="Permit id.")
    audit_id: str
    audit_hash: str
    iat: int
    exp: int


class PermitMint:
    """Makes permits. Lives in the guardrails process alone."""

    def __init__(
        self,
        hive: Hive,
        log: AuditLog,
        stop: StopSwitch,
        clock: Clock,
        new_id: Callable[[], str] = lambda: secrets.token_hex(12),
    ) -> None:
        self._keys = hive.keys_dir
        self._log = log
        self._stop = stop
        self._clock = clock
        self._new_id = new_id

    def mint(self, claims: PermitRequest, record: AuditRef, seconds: int = 30) -> str:
        """A token for exactly `claims`, valid for `seconds` (1 to 300).

        `record` is read back from disk: its kind must be `authorize` and its body's `permit`
        must equal `claims`.

        Raises:
            Refused: shadow mode, no such record, a record of something else, or no key.
            Stopped: the swarm is stopped, or was since the decision.
            AuditBroken, StoreUnavailable: the record cannot be read back.
        """
        if claims.mode is Mode.SHADOW:
            raise Refused("no permit in shadow mode", remedy="Shadow writes nothing outside.")
        if not 1 <= seconds <= MAX_SECONDS:
            raise Refused(f"a permit lives 1 to {MAX_SECONDS} seconds, not {seconds}")
        self._require_record(claims, record)
        if self._stop.require_running().epoch != claims.stop_epoch:
            raise Stopped("the swarm was stopped after this decision was made")
        now = int(self._clock().timestamp())
        permit = Permit(
            **claims.model_dump(),
            jti=f"P-{self._new_id()}",
            audit_id=record.audit_id,
            audit_hash=record.hash,
            iat=now,
            exp=now + seconds,
        )
        payload = permit.model_dump(mode="json")
        return jwt.encode(payload, _private_key(self._keys), _ALGORITHM, headers={"typ": _TYPE})

    def _require_record(self, claims: PermitRequest, record: AuditRef) -> None:
        found = self._log.find(record.audit_id)
        if found is None or found["hash"] != record.hash:
            raise Refused(f"no permit: audit record {record.audit_id} is not on disk")
        if found["kind"] != "authorize" or found["body"].get("permit") != claims.model_dump(
            mode="json"
        ):
            raise Refused(f"no permit: audit record {record.audit_id} does not authorize this")


class PermitCheck:
    """Checks and spends permits, in the process that holds the vendor's key.

    Args:
        spent_by: name of this process, for the record.
    """

    def __init__(
        self, hive: Hive, store: Store, stop: StopSwitch, clock: Clock, spent_by: str
    ) -> None:
        self._public = hive.keys_dir / "permit.pub"
        self._store = store
        self._stop = stop
        self._clock = clock
        self._spent_by = spent_by

    async def verify_and_spend(self, token: str, expected: Bound) -> Permit:
        """The permit, spent: the one write it allows may be done now.

        Raises:
            Refused: forged, edited, expired, used, or for anything else than `expected`.
            Stopped: the swarm is stopped, or was since the permit's decision.
            StoreUnavailable: it could not be spent; do not write.
        """
        permit = self.verify(token, expected)
        await self._store.run(lambda conn: self._spend(conn, permit))
        return permit

    def verify(self, token: str, expected: Bound) -> Permit:
        """The permit in `token`, not spent. Checks everything that needs no database.

        Raises:
            Refused: see `verify_and_spend`.
        """
        permit = self._opened(token)
        if Mode.SHADOW in (expected.mode, permit.mode):
            raise Refused("no write in shadow mode, with whatever permit")
        for name in Bound.model_fields:
            if getattr(permit, name) != getattr(expected, name):
                raise Refused(f"the permit is for another {name.replace('_', ' ')}")
        now = self._clock().timestamp()
        if now >= permit.exp or permit.exp - permit.iat > MAX_SECONDS:
            raise Refused("the permit has expired")
        if permit.iat > now + CLOCK_SKEW_S:
            raise Refused("the permit is from the future: check the machines' clocks")
        return permit

    def _opened(self, token: str) -> Permit:
        key = self._public_key()
        # Time is checked by our own clock; everything else jwt would check is in `Permit`.
        unchecked: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
        try:
            opened: dict[str, Any] = jwt.decode_complete(
                token, key, algorithms=[_ALGORITHM], options=unchecked
            )
            if opened["header"].get("typ") != _TYPE:
                raise Refused("not a permit: a token of another kind")
            return Permit.model_validate_json(json.dumps(opened["payload"]), strict=True)
        except (jwt.PyJWTError, ValidationError) as error:
            raise Refused("not a valid permit: forged, edited or of another version") from error

    def _public_key(self) -> Ed25519PublicKey:
        try:
            key = serialization.load_pem_public_key(self._public.read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm) as error:
            raise Refused("no permit can be checked: its public key cannot be read") from error
        if not isinstance(key, Ed25519PublicKey):
            raise Refused("no permit can be checked: its public key is of another kind")
        return key

    def _spend(self, conn: Connection, permit: Permit) -> None:
        # In one transaction with the spending, so that a stop is either seen here or comes after.
        state = self._stop.state_in(conn, hold=True)
        if state.stopped:
            raise Stopped(f"the swarm is stopped: {state.reason}")
        if state.epoch != permit.stop_epoch:
            raise Stopped("the swarm was stopped after this permit was made")
        spent = {
            "permit_id": permit.jti,
            "action": permit.action,
            "spent_at": iso(self._clock()),
            "spent_by": self._spent_by,
        }
        if not insert_if_absent(conn, spent_permits, spent):
            raise Refused("the permit has been used")


def _private_key(keys: Path) -> Ed25519PrivateKey:
    """The signing key, made at first use together with its public half."""
    fresh = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        key = serialization.load_pem_private_key(create_once(keys / "permit.key", fresh), None)
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise Refused("no permit: the signing key cannot be read") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Refused("no permit: the signing key is of another kind")
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    try:
        published = create_once(keys / "permit.pub", public)
    except OSError as error:
        raise Refused("no permit: the public key cannot be written") from error
    if published != public:
        raise Refused("no permit: keys/permit.pub does not belong to keys/permit.key")
    return key
