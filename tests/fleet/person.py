"""The person behind a fleet: says what became of writes whose fate nobody knows, having looked.

An e-mail whose sender died is looked for in the outbox. What the CRM was to be told is given up: it
is never done again by that word, so that nothing can be done twice.
"""

from __future__ import annotations

from tests.fleet.machines import Fleet
from tests.processes.live import decided

_UNKNOWN = "SELECT key, decision_audit_id FROM writes WHERE status = 'unknown' ORDER BY key"


def resolve_unknown(fleet: Fleet) -> dict[str, int]:
    """Resolve all of them; gives how many of each kind, and how many e-mails had gone out."""
    wanted = decided(fleet.machines[0].hive, fleet.postgres.url())
    to = {mail["audit_id"]: address for address, mail in wanted.items()}
    outbox = {mail["to"] for mail in fleet.sandbox.outbox()}
    told: dict[str, int] = {}
    for row in fleet.ask(_UNKNOWN):
        kind, _, delivery = row["key"].partition(":")
        happened = kind == "send" and to[delivery] in outbox
        word = "--happened" if happened else "--did-not-happen"
        code, said = fleet.swarm(0, "sends", "resolve", row["key"], word, "--reason", "looked")
        assert code == 0, said
        name = f"{kind} that had {'' if happened else 'not '}happened" if kind == "send" else kind
        told[name] = told.get(name, 0) + 1
    return told
