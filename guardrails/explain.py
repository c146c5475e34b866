"""A decision told to a person. Owns: the wording, from the audit record alone.

Reads no database, no bank and no policy: what is told is what was recorded, however much has
changed since. People appear by their salted id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_WORDS = {
    "pass": "passed",
    "review": "needs a person",
    "defer": "waits",
    "block": "blocked",
    "disqualify": "disqualified",
}
_OUTCOMES = {
    "invalid": "The row could not be used.",
    "duplicate": "The same person is already in this run.",
    "disqualified": "This lead must not be contacted.",
    "blocked": "This e-mail must not go out.",
    "review": "A person must look before anything goes out.",
    "deferred": "Something needed is missing or late; try again later.",
    "shadow_logged": "It would have been sent. In shadow mode nothing is.",
    "awaiting_approval": "It waits for a person's approval.",
    "ready": "It may be delivered.",
}
_STATED = frozenset({"kind", "mode", "by", "reason", "versions", "checks"})
_ORDER = ("disqualify", "block", "defer", "review", "pass")


def explain(record: Mapping[str, Any], newest: Mapping[str, Any] | None = None) -> str:
    """The record as a person would want it told: outcome, who, known, checks, bank, remedy.

    `newest`: what came last about the same lead, when that is another record.
    """
    body = record["body"]
    tellers = {
        "review": _review, "intake": _intake, "authorize": _authorize, "readiness": _readiness,
        "approval": _approval,
    }  # fmt: skip
    lines = tellers.get(record["kind"], _other)(body)
    return "\n".join([_headline(record), *lines, "", *_since(newest), *_where(record)])


def _since(newest: Mapping[str, Any] | None) -> Iterator[str]:
    if newest is not None:
        name, kind = newest["audit_id"], newest["kind"].replace("_", " ")
        yield f"Last on record about this lead: {kind}, {newest['at'][:19]}Z"
        yield f"  `swarm explain {name}` tells it."
        yield ""


def _headline(record: Mapping[str, Any]) -> str:
    state = record["body"].get("state")
    subject = record["lead_id"] or record["run_id"] or "the swarm"
    if state is None:
        return f"{subject}: {record['kind'].replace('_', ' ')}"
    return f"{subject}: {state.replace('_', ' ')}. {_OUTCOMES.get(state, '')}".rstrip()


def _readiness(body: Mapping[str, Any]) -> Iterator[str]:
    """A mode that was earned or overridden: by whom, for what, on which answers."""
    said = body.get("statement")
    if not isinstance(said, Mapping) or not said.keys() >= _STATED:
        yield from _other(body)
        return
    how = "earned" if said["kind"] == "earned" else "OVERRIDDEN"
    yield ""
    yield f"Mode {said['mode']} {how} by {said['by']}"
    if said["reason"]:
        yield f"  because: {said['reason']}"
    exactly = ", ".join(f"{name} {value}" for name, value in said["versions"].items())
    yield f"  for exactly {exactly}"
    answers: dict[str, list[str]] = {}
    for name, answer in said["checks"].items():
        answers.setdefault(answer, []).append(name)
    for answer in ("fail", "unknown", "warn", "ok"):
        if names := answers.get(answer):
            yield f"  {answer} ({len(names)}): {', '.join(sorted(names))}"


def _review(body: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "Who"
    yield from _who(body)
    yield from _known(body["known"])
    yield ""
    yield "Checks"
    yield from _checks(body["checks"])
    yield from _bank(body["bank"])
    yield ""
    yield "What would change the answer"
    yield from _remedies(body)
    if body["would_send_at"]:
        yield ""
        yield f"It could go out from {body['would_send_at']} (UTC), in the recipient's hours."


def _approval(body: Mapping[str, Any]) -> Iterator[str]:
    who = body["by"] if body["by"] != "swarm" else "the swarm itself"
    yield f"  {body['end'].capitalize()} by {who}, via {body['via']}, at {body['ended_at']} (UTC)."
    if body["author"]:
        yield f"  The text was written by {body['author']}."
    if body["reason_code"]:
        yield f"  Reason: {body['reason_code']}; the words stand in `swarm approvals list --all`."
    yield f"  It is about decision {body['decision_audit_id']}, and approval {body['approval_id']}."


def _who(body: Mapping[str, Any]) -> Iterator[str]:
    found = body["qualification"]
    if found is None:
        yield "  Not scored."
    else:
        yield (
            f"  ICP score {found['score']} (tier {found['tier']}), segment {found['segment']}, "
            f"persona {found['persona']}."
        )
        parts = ", ".join(f"{p['name']} {p['points']:g}/{p['of']:g}" for p in found["parts"])
        yield f"  Score: {parts or 'no parts'}, times {found['multiplier']:g}."
        if found["unknown"]:
            yield f"  Unknown, so without points: {', '.join(found['unknown'])}."
    scope = body["scope"]
    if scope is not None:
        yield (
            f"  Draft: template {body['template']}, angle {scope['angle']}, "
            f"{scope['channel']}, step {scope['step']}."
        )
    else:
        yield "  No draft was written."


def _known(known: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "What was known"
    facts = ", ".join(f"{name} ({source})" for name, source in known["facts"].items())
    yield f"  Facts: {facts or 'none'}."
    news = known["news"]
    asked = {
        "CRM": known["crm"],
        "sending platform": known["outreach"],
        "news": news is not None,
    }
    if known.get("memory") is not None:  # recorded where there is a long-term memory
        asked["long-term memory"] = known["memory"]
    said = ", ".join(f"{name} {'asked' if did else 'not asked'}" for name, did in asked.items())
    yield f"  Look-ups: {said}{f' ({news} headlines)' if news is not None else ''}."
    if known["problems"]:
        yield f"  Failed: {', '.join(known['problems'])}."


def _checks(checks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    listed = list(checks)
    for verdict in _ORDER:
        of_kind = [check for check in listed if check["verdict"] == verdict]
        if of_kind:
            yield f"  {_WORDS[verdict].capitalize()} ({len(of_kind)})"
        for check in of_kind:
            code = "" if check["code"] == "ok" else f" [{check['code']}]"
            yield f"    {'+' if verdict == 'pass' else '-'} {check['rule']}{code}: {check['text']}"


def _bank(answer: Mapping[str, Any] | None) -> Iterator[str]:
    yield ""
    yield "Reasoning bank: have we failed with this pattern before?"
    if answer is None:
        yield "  Not asked: there was no draft."
        return
    yield f"  {answer['text']}"
    for item in answer["citations"]:
        if item["kind"] != "golden":
            yield from _citation(item)
    golden = answer["golden"]
    yield ""
    yield "Golden set: does it match a success?"
    if golden["matched"]:
        yield f"  Yes: {golden['title']} ({golden['item_id']}), {golden['similarity']:.0%} alike."
    else:
        nearest = f" Nearest: {golden['item_id']}, {golden['similarity']:.0%} alike."
        yield f"  No.{nearest if golden['item_id'] else ''}"
    if golden["missing"]:
        yield f"  Missing: {', '.join(golden['missing'])}."
    for item in answer["citations"]:
        if item["kind"] == "golden":
            yield from _citation(item)


def _citation(item: Mapping[str, Any]) -> Iterator[str]:
    yield f"  {item['item_id']} ({item['effect']}, {item['level']}): {item['title']}"
    if item["kind"] == "golden":
        yield f"    {item['reason']}"
        return
    yield (
        f"    {round(item['k'], 1):g} failures of {round(item['n'], 1):g}; prior {item['prior']}, "
        f"posterior {item['posterior']}; P = {item['probability']:.2f} against "
        f"{item['threshold']:g}"
    )
    yield f"    {item['reason']}"
    yield f"    Passes if {item['would_pass_if']}."
    if item["evidence"]:
        yield f"    Events: {', '.join(item['evidence'])}."


def _remedies(body: Mapping[str, Any]) -> Iterator[str]:
    reasons = body["reasons"]
    if not reasons:
        yield "  Nothing stood against it. Any of the checks above failing would."
    for reason in reasons:
        remedy = reason["remedy"] or "nothing: this rule stands"
        yield f"  {reason['code']}: {remedy}."


def _intake(body: Mapping[str, Any]) -> Iterator[str]:
    yield f"  Row {body['row']} of the file."
    for reason in body["reasons"]:
        where = f" (field {reason['field']})" if reason["field"] else ""
        yield f"  - {reason['code']}{where}: {reason['text']}"
        if reason["remedy"]:
            yield f"    {reason['remedy']}"


def _authorize(body: Mapping[str, Any]) -> Iterator[str]:
    action = body["action"].replace("_", " ")
    yield f"  Leave to {action} at {body['vendor']} ({body['key']}): {body['verdict']}."
    if body["not_before"]:
        yield f"  Not before {body['not_before']} (UTC)."
    if body["decision_audit_id"]:
        name = body["decision_audit_id"]
        yield f"  It rests on decision {name}: `swarm explain {name}` tells that."
    yield ""
    yield "Checks"
    yield from _checks(body["checks"])
    held = (body["caps"] or {}).items()
    for name, cap in ((name, cap) for name, cap in held if isinstance(cap, Mapping)):
        yield f"    {name.replace('_', ' ')}: {cap['held']} of {cap['cap']} e-mails before it"
    if body["reasons"]:
        yield ""
        yield "What would change the answer"
        yield from _remedies(body)


def _other(body: Mapping[str, Any]) -> Iterator[str]:
    for name, value in sorted(body.items()):
        yield f"  {name}: {value}"


def _where(record: Mapping[str, Any]) -> Iterator[str]:
    body = record["body"]
    yield f"Record {record['audit_id']}, number {record['seq']} of chain {record['chain']}"
    yield f"  at {record['at']} in audit/{record['at'][:10]}.jsonl, hash {record['hash']}"
    told = {
        "decision": record["decision_id"],
        "run": record["run_id"],
        "mode": body.get("mode"),
        "policy": body.get("policy_version"),
        "bank": body.get("bank_version"),
        "inputs": body.get("inputs_digest"),
    }
    yield "  " + ", ".join(f"{name} {value}" for name, value in told.items() if value)
    if body.get("sandbox"):
        yield "  Sandbox: made against the vendors' twins, about invented people."
