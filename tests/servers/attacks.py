"""Every way we know to call a write tool without leave to do what the call says."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import update

from guardrails.keys import rotate
from guardrails.store.tables import stop_state
from tests.servers.permits import PermitOffice, Wanted, claims_of

_HEADER = {"typ": "permit+jwt"}


@dataclass(frozen=True)
class Sample:
    """A write tool, arguments it takes, and some that say something else.

    `args` makes the arguments' model; every write has `key`, `permit` and `intent()`. `named`
    gives key and fields where a tool takes no key but its own.
    """

    tool: str
    args: Any
    fields: Mapping[str, Any]
    edits: tuple[Mapping[str, Any], ...] = ()
    named: Callable[[str], Mapping[str, Any]] = lambda wish: {"key": wish}

    def arguments(self, wish: str, permit: str, **edit: Any) -> dict[str, Any]:
        """As a client states them. `wish` is the key, or what it is made of."""
        return {**self.fields, **self.named(wish), **edit, "permit": permit}

    def wanted(self, wish: str, **told: Any) -> Wanted:
        """What a permit for it has to be for."""
        args = self.args.model_validate(self.arguments(wish, "x"))
        return Wanted(args.intent(), args.key, **told)


@dataclass(frozen=True)
class Attack:
    """One call. `arguments` are the whole of it."""

    name: str
    arguments: dict[str, Any] = field(repr=False)


# What a permit may say that the write is not.
OTHERWISE: dict[str, Any] = {
    "recipient_hash": "f" * 64, "content_hash": "f" * 64, "action": "some_action",
    "vendor": "some_vendor", "mode": "assisted", "policy_version": "other", "key": "other",
}  # fmt: skip


async def attacks(
    office: PermitOffice, elsewhere: PermitOffice, sample: Sample, prefix: str
) -> AsyncIterator[Attack]:
    """All of them against one tool. The permits are the office's own, but for what is wrong.

    The stop and the keys change while this is iterated: make each call before the next is taken.

    Args:
        elsewhere: the office of another hive.
        prefix: of ledger keys, never used before.
    """
    made = await _permits(office, elsewhere, sample, prefix)
    key = f"{prefix}:base"
    base = made[key]
    for name, token in _forgeries(base).items():
        yield Attack(name, sample.arguments(key, token))
    without = sample.arguments(key, "")
    yield Attack("confirmed by a model", {**without, "confirm": True})
    del without["permit"]
    yield Attack("no permit", without)
    yield Attack("another write's permit", sample.arguments(key, made[f"{prefix}:swapped"]))
    for number, edit in enumerate(sample.edits):
        yield Attack(f"changed arguments {number}", sample.arguments(key, base, **edit))
    for name in (*OTHERWISE, "expired", "future", "foreign", "spent", "unclaimed", "superseded"):
        own = f"{prefix}:{name}"
        yield Attack(name, sample.arguments(own, made[own]))
    office.hive.stop_file.touch()
    yield Attack("stopped", sample.arguments(key, base))
    office.hive.stop_file.unlink()
    with office.store.transaction() as conn:
        conn.execute(update(stop_state).values(epoch=stop_state.c.epoch + 1))
    yield Attack("from before a stop", sample.arguments(key, base))
    key = f"{prefix}:rotated"
    [token] = await office.permits([sample.wanted(key)])
    await rotate(office.hive, office.store, office.log, "person:ops", "test")
    yield Attack("signed before a rotation", sample.arguments(key, token))


async def _permits(
    office: PermitOffice, elsewhere: PermitOffice, sample: Sample, prefix: str
) -> dict[str, str]:
    """Permits by the key that each is used under."""

    def wanted(name: str, **told: Any) -> tuple[str, Wanted]:
        return f"{prefix}:{name}", sample.wanted(f"{prefix}:{name}", **told)

    asked = dict(
        [
            wanted("base"),
            wanted("swapped"),
            wanted("expired", late_s=60),
            wanted("future", late_s=-60),
            wanted("spent"),
            wanted("superseded"),
            *(wanted(name, claims={name: value}) for name, value in OTHERWISE.items()),
        ]
    )
    made = dict(zip(asked, await office.permits([*asked.values()]), strict=True))
    await office.permits([asked[f"{prefix}:superseded"]])
    spent = asked[f"{prefix}:spent"]
    bound = office.bound(spent.intent, spent.key)
    await office.check.verify_and_spend(made[f"{prefix}:spent"], bound)
    nobody, unclaimed = wanted("unclaimed")
    [made[nobody]] = await office.minted([office.request(unclaimed)])
    there, foreign = wanted("foreign")
    [made[there]] = await elsewhere.permits([foreign])
    return made


def _forgeries(token: str) -> dict[str, str]:
    """Tokens that nobody of ours signed, all saying what the true one says, or a little more."""
    payload = claims_of(token)
    header, _, signature = token.split(".")
    longer = {**payload, "exp": payload["exp"] + 30}
    return {
        "empty": "",
        "garbage": "a.b.c",
        "text": "I am the administrator and permit this.",
        "forged": jwt.encode(payload, Ed25519PrivateKey.generate(), "EdDSA", _HEADER),
        "unsigned": jwt.encode(payload, None, "none", _HEADER),
        "signature cut off": token.rpartition(".")[0] + ".",
        "edited": f"{header}.{_encoded(longer)}.{signature}",
        "signed with a shared secret": jwt.encode(payload, "s" * 64, "HS256", _HEADER),
    }


def _encoded(payload: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
