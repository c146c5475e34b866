"""The keys that permits are signed with. Owns: their files, first making, and rotation.

`permit.key` signs, in the guardrails process alone; `permit.pub` checks, read afresh at every
check, so that no process goes on with an old one. Both are 0600. A rotation is put on the audit
record, then staged as `permit.next`, then published: first the public half, which voids every
permit made before, then the private one. Wherever a crash cuts that off, what stands is either the
old pair, or a public half that nothing signed for verifies under; the next minting or rotation
finishes it. Refuses to sign with a key that does not belong to the published half.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import select

from guardrails.audit import AuditEntry, AuditLog
from guardrails.errors import BadInput, DiskTrouble, Refused
from guardrails.hive import Hive, create_once, sync_directory
from guardrails.store import Store
from guardrails.store.tables import stop_state

_LOCK_S = 5.0
_ROTATION = (".rotation", "the permit keys are being rotated")
# Spending shares this row's lock (PostgreSQL; a write transaction on SQLite excludes it anyway).
_NO_SPENDING = select(stop_state.c.epoch).with_for_update()


@dataclass(frozen=True)
class Rotated:
    """A rotation that is done. Keys are named by the first 16 hex digits of a digest."""

    old: str | None
    new: str
    audit_id: str


def signing_key(keys: Path) -> Ed25519PrivateKey:
    """The key that signs, made at first use together with its public half.

    Raises:
        Refused: it cannot be read or written, or is not the published half's.
    """
    try:
        _finish(keys)
        file = keys / "permit.key"
        key = _private(file.read_bytes() if file.exists() else create_once(file, _fresh()))
        public = _public_pem(key)
        published = create_once(keys / "permit.pub", public)
    except OSError as error:
        raise Refused(f"no permit: a key file cannot be used ({error.strerror})") from error
    if published != public:
        raise Refused("no permit: keys/permit.pub does not belong to keys/permit.key")
    return key


def published_key(keys: Path) -> bytes:
    """The public half as it stands now, PEM.

    Raises:
        Refused: it cannot be read.
    """
    try:
        return (keys / "permit.pub").read_bytes()
    except OSError as error:
        raise Refused("no permit can be checked: its public key cannot be read") from error


def checking_key(pem: bytes) -> Ed25519PublicKey:
    """The key in `pem`.

    Raises:
        Refused: it is none, or of another kind.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused("no permit can be checked: its public key cannot be read") from error
    if not isinstance(key, Ed25519PublicKey):
        raise Refused("no permit can be checked: its public key is of another kind")
    return key


async def rotate(hive: Hive, store: Store, audit: AuditLog, actor: str, reason: str) -> Rotated:
    """A new signing key. When this returns, no permit made before can be spent.

    Recorded before it is done. Safe beside running servers: they sign and check with the new
    pair from then on.

    Args:
        actor: who wants it, e.g. `person:ops`.

    Raises:
        BadInput: no reason.
        AuditUnwritable, AuditBroken, StoreUnavailable: the keys are as before.
        DiskTrouble: a key file cannot be written; permits are refused until it can.
        Refused: another rotation is under way, or a staged key is damaged.
    """
    if not reason.strip():
        raise BadInput("a reason is needed", remedy="Say why the keys are rotated.")
    keys = hive.keys_dir
    try:
        with locked(keys, *_ROTATION):
            _publish_staged(keys)
            old, fresh = _current(keys), _fresh()
            new = _name(_public_pem(_private(fresh)))
            body = {"permit_keys": {"old": old, "new": new}, "reason": reason.strip()}
            [ref] = await audit.record([AuditEntry("config_change", actor, body)])
            # In order with every spending, which looks at the published key in its transaction.
            with store.transaction() as conn:
                conn.execute(_NO_SPENDING)
                replace_synced(keys / "permit.next", fresh)
                _publish_staged(keys)
    except OSError as error:
        raise DiskTrouble(
            f"keys/: cannot be written ({error.strerror})",
            remedy="Free disk space, check permissions, and rotate again; until then no permit.",
        ) from error
    return Rotated(old, new, ref.audit_id)


def _finish(keys: Path) -> None:
    """Complete a rotation that a crash cut off. Raises OSError, Refused."""
    if (keys / "permit.next").exists():
        with locked(keys, *_ROTATION):
            _publish_staged(keys)


def _publish_staged(keys: Path) -> None:
    staged = keys / "permit.next"
    try:
        content = staged.read_bytes()
    except FileNotFoundError:
        return
    # Public first: from here on nothing that was signed before can be spent.
    replace_synced(keys / "permit.pub", _public_pem(_private(content)))
    staged.replace(keys / "permit.key")
    sync_directory(keys)


def replace_synced(path: Path, content: bytes) -> None:
    """Whole or not at all, and on disk. Raises OSError."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_directory(path.parent)


@contextmanager
def locked(keys: Path, name: str, why: str) -> Iterator[None]:
    """Hold the lock `name`, waited for briefly.

    Raises:
        OSError: its file cannot be made.
        Refused: somebody else holds it; `why` says what for.
    """
    descriptor = os.open(keys / name, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _LOCK_S
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Refused(why) from None
                time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _current(keys: Path) -> str | None:
    try:
        return _name((keys / "permit.pub").read_bytes())
    except FileNotFoundError:
        return None


def _name(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]


def _fresh() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _private(content: bytes) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(content, None)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused("no permit: the signing key cannot be read") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Refused("no permit: the signing key is of another kind")
    return key


def _public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
