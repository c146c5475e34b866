"""Permits: leave to do one thing, once, within seconds. Owns: minting, checking and spending.

A permit is an Ed25519-signed token that names the action, the recipient, the content, the row of
the send ledger and the audit record that allows it. It is minted only when that record is on disk
and says the very same (P2), never in shadow (P4), and void after a stop (P5); what the emergency
stop itself does is void without one. It is spent in the database by the process that performs the
write; a second use finds it spent.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from sqlalchemy import Connection

from guardrails.audit import AuditLog, AuditRef
from guardrails.authorize_rules import Purpose, require_leave
from guardrails.brakes.stop import StopState, StopSwitch
from guardrails.clock import Clock, iso
from guardrails.errors import Refused, Stopped, StoreUnavailable
from guardrails.hive import Hive
from guardrails.keys import checking_key, published_key, signing_key
from guardrails.model import Mode
from guardrails.permit_model import Bound, Permit, PermitRequest
from guardrails.store import Store, insert_if_absent
from guardrails.store.tables import spent_permits
from guardrails.suppression import is_suppressed

if TYPE_CHECKING:
    from jwt.types import Options

MAX_SECONDS = 300
CLOCK_SKEW_S = 5
_ALGORITHM = "EdDSA"
_TYPE = "permit+jwt"


AlongWith = Callable[[Connection, Permit], None]


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
        state = self._stop.state()
        require_leave(state, claims.action, claims.purpose)
        if state.epoch != claims.stop_epoch:
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
        # Imported by whoever mints or checks: most who import the ledger do neither.
        import jwt  # noqa: PLC0415

        payload = permit.model_dump(mode="json")
        return jwt.encode(payload, signing_key(self._keys), _ALGORITHM, headers={"typ": _TYPE})

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
        purpose: what it is there for; permits for anything else are refused.
    """

    def __init__(
        self,
        hive: Hive,
        store: Store,
        stop: StopSwitch,
        clock: Clock,
        spent_by: str,
        purpose: Purpose = Purpose.WORK,
    ) -> None:
        self._keys = hive.keys_dir
        self._salt = hive.salt()
        self._store = store
        self._stop = stop
        self._clock = clock
        self._spent_by = spent_by
        self._purpose = purpose

    async def verify_and_spend(
        self, token: str, expected: Bound, also: AlongWith | None = None
    ) -> Permit:
        """The permit, spent: the one write it allows may be done now.

        Args:
            also: done in the same transaction, after the spending; what it raises undoes both.

        Raises:
            Refused: forged, edited, expired, used, or for anything else than `expected`.
            Stopped: the swarm is stopped, or was since the permit's decision.
            StoreUnavailable: it could not be spent; do not write.
        """
        key = published_key(self._keys)
        permit = self._verified(token, expected, key)
        await self._store.run(lambda conn: self._spend(conn, permit, key, also))
        return permit

    def verify(self, token: str, expected: Bound) -> Permit:
        """The permit in `token`, not spent. Checks everything that needs no database.

        Raises:
            Refused: see `verify_and_spend`.
        """
        return self._verified(token, expected, published_key(self._keys))

    def _verified(self, token: str, expected: Bound, key: bytes) -> Permit:
        permit = _opened(token, key)
        if Mode.SHADOW in (expected.mode, permit.mode):
            raise Refused("no write in shadow mode, with whatever permit")
        for name in Bound.model_fields:
            if getattr(permit, name) != getattr(expected, name):
                raise Refused(f"the permit is for another {name.replace('_', ' ')}")
        if permit.purpose is not self._purpose:
            raise Refused("the permit is for another purpose")
        self.require_unexpired(permit)
        if permit.exp - permit.iat > MAX_SECONDS:
            raise Refused("the permit would live too long")
        now = self._clock().timestamp()
        if permit.iat > now + CLOCK_SKEW_S:
            raise Refused("the permit is from the future: check the machines' clocks")
        return permit

    def require_unexpired(self, permit: Permit) -> None:
        """For a moment later than the spending: nothing leaves when its seconds are over.

        Raises:
            Refused: they are.
        """
        if self._clock().timestamp() >= permit.exp:
            raise Refused("the permit has expired")

    async def require_still_good(self, permit: Permit, to: str | None = None) -> None:
        """For the last moment before its first byte leaves, however long ago it was spent.

        Args:
            to: the address that an e-mail goes to: its owner may have opted out meanwhile.

        Raises:
            Stopped: the swarm was stopped meanwhile, or nobody can tell.
            Refused: its seconds are over, or nobody may write to `to` any more.
            BadInput: `to` is no address.
        """

        def known(conn: Connection) -> tuple[StopState, str | None]:
            listed = is_suppressed(conn, self._salt, to) if to is not None else None
            return self._stop.state_in(conn), listed

        try:
            state, listed = await self._store.query(known)
        except StoreUnavailable as error:
            text = f"stop state and suppression list cannot be read: {error.message}"
            raise Stopped(text) from error
        self._require_of_now(state, permit)
        if listed is not None:
            raise Refused(f"on the suppression list since the permit was made: {listed}")

    def require_still_good_here(self, permit: Permit) -> None:
        """The same by what this machine knows without asking anybody: the file, and the clock."""
        if permit.purpose is Purpose.WORK and (why := self._stop.here()) is not None:
            raise Stopped(f"the swarm is stopped: {why}")
        self.require_unexpired(permit)

    def _require_of_now(self, state: StopState, permit: Permit) -> None:
        require_leave(state, permit.action, permit.purpose)
        if state.epoch != permit.stop_epoch:
            raise Stopped("the swarm was stopped after this permit was made")
        self.require_unexpired(permit)

    def _spend(self, conn: Connection, permit: Permit, key: bytes, also: AlongWith | None) -> None:
        # In one transaction with the spending, so that a stop is either seen here or comes after.
        state = self._stop.state_in(conn, hold=True)
        require_leave(state, permit.action, permit.purpose)
        if state.epoch != permit.stop_epoch:
            raise Stopped("the swarm was stopped after this permit was made")
        # A rotation waits for us, or we see it; nor does waiting for the database make us late.
        if published_key(self._keys) != key:
            raise Refused("the permit keys were rotated after this permit was made")
        self.require_unexpired(permit)
        spent = {
            "permit_id": permit.jti,
            "action": permit.action,
            "spent_at": iso(self._clock()),
            "spent_by": self._spent_by,
        }
        if not insert_if_absent(conn, spent_permits, spent):
            raise Refused("the permit has been used")
        if also is not None:
            also(conn, permit)


def _opened(token: str, key: bytes) -> Permit:
    import jwt  # noqa: PLC0415 - as above

    # Time is checked by our own clock; everything else jwt would check is in `Permit`.
    unchecked: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    try:
        opened: dict[str, Any] = jwt.decode_complete(
            token, checking_key(key), algorithms=[_ALGORITHM], options=unchecked
        )
        if opened["header"].get("typ") != _TYPE:
            raise Refused("not a permit: a token of another kind")
        return Permit.model_validate_json(json.dumps(opened["payload"]), strict=True)
    except (jwt.PyJWTError, ValidationError) as error:
        raise Refused("not a valid permit: forged, edited or of another version") from error


__all__ = ["AlongWith", "Bound", "Permit", "PermitCheck", "PermitMint", "PermitRequest"]
