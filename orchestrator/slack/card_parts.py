"""The parts of a card. Owns: how each fact about a draft is shown, within its own limit.

Outside text is one line of escaped markup, except for the e-mail itself, which stands in rich
text: there nothing is markup. The limits here, added up, stay below what Slack takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from guardrails.approval_model import ApprovalState
from guardrails.model import BankCitation, Check, Claim, Verdict
from orchestrator.approvals.case import ApprovalCase
from orchestrator.slack.words import cut, markup, pieces, safe, section, visible

Block = dict[str, Any]
# Characters as sent. Together below the 13,200 at which Slack refuses a message.
_SUBJECT, _BODY, _PIECE, _ADDRESS = 300, 6000, 2900, 140
_REASONS, _CLAIMS, _BANK, _LINE = 1500, 1800, 1500, 400
_EFFECTS = {
    "block": "blocks",
    "review": "asks for a look",
    "cite": "for your information",
    "success": "speaks for it",
}


def title(case: ApprovalCase) -> str:
    """What is wanted."""
    return "Look closely: e-mail to approve" if case.approval.alone else "E-mail to approve"


def who(case: ApprovalCase) -> str:
    """Person and company, for a headline."""
    lead = case.dossier.lead
    name = " ".join(filter(None, (lead.first_name, lead.last_name)))
    return safe(", ".join(filter(None, (name, lead.company))) or "a lead", 160)


def facts(case: ApprovalCase) -> Block:
    """Recipient, send time, fit, and until when."""
    lead, fit, approval = case.dossier.lead, case.qualification, case.approval
    name = " ".join(filter(None, (lead.first_name, lead.last_name)))
    job = ", ".join(filter(None, (lead.title, lead.company)))
    to = [f"*{safe(name, 80)}*" if name else "", safe(job, 120), safe(case.to, _ADDRESS)]
    waits = approval.state is ApprovalState.WAITING
    score = f"{fit.score} of 100, tier {fit.tier}" if fit else "not scored"
    words = f"{fit.segment}, {fit.persona}" if fit else approval.segment
    price = f"${case.cost_micros / 1_000_000:.2f} spent on this lead"
    texts = [
        "*To*\n" + "\n".join(filter(None, to)),
        f"*Fit*\n{score}\n{safe(words.replace('_', ' '), 120)}",
    ]
    if waits or approval.state is ApprovalState.APPROVED:
        texts.insert(1, f"*Goes out at the earliest*\n{_when(case)}")
    if waits:
        ends = f"{moment(approval.expires_at)}, else it is not sent"
        texts.append(f"*Decide by*\n{ends}\n{price}")
    else:
        texts.append(f"*Cost*\n{price}")
    return {"type": "section", "fields": [markup(text) for text in texts]}


def _when(case: ApprovalCase) -> str:
    local = case.local_send_time
    if local is None:
        return "when its recipient's hours are known"
    zone = safe(str(local.tzinfo).replace("_", " "), 60)
    return f"{local:%a} {local.day} {local:%b}, {local:%H:%M} their time\n{zone}"


def closely(case: ApprovalCase, author: str | None) -> list[Block]:
    """Why somebody must look at this one by itself; reasons of the review first."""
    lines = [f"• {safe(check.text, _LINE)}" for check in case.review_reasons]
    if case.approval.first_of_segment:
        lines.append(f"• The first of its segment ({safe(case.approval.segment, 80)}).")
    if author is not None:
        lines.append(f"• {safe(author, 80)} wrote this text: somebody else must approve it.")
    if not shown_whole(case):
        lines.append(
            "• It is too long to be shown whole, so it cannot be approved here: "
            f"`swarm approvals show {case.approval.approval_id}`"
        )
    return [section(_fitting(["*Look closely*"], lines, _REASONS))] if lines else []


def letter(case: ApprovalCase) -> list[Block]:
    """Subject and body, as they would be sent."""
    subject = cut(visible(case.draft.subject), _SUBJECT)
    body = cut(visible(case.draft.body).rstrip("\n"), _BODY)
    title = {"type": "text", "text": subject or "(no subject)", "style": {"bold": True}}
    parts: list[Block] = [{"type": "rich_text_section", "elements": [title]}]
    for piece in pieces(body, _PIECE) or ["(no text)"]:
        quoted = {"type": "text", "text": piece}
        parts.append({"type": "rich_text_quote", "elements": [quoted]})
    return [{"type": "divider"}, {"type": "rich_text", "elements": parts}, {"type": "divider"}]


def shown_whole(case: ApprovalCase) -> bool:
    """Whether the card shows recipient, subject and body in full."""
    subject, body = visible(case.draft.subject), visible(case.draft.body)
    whole = len(subject) <= _SUBJECT and len(body.rstrip("\n")) <= _BODY
    return whole and len(case.to) <= _ADDRESS and bool(subject.strip() and body.strip())


def claims(case: ApprovalCase) -> list[Block]:
    """What the text claims, and on what evidence."""
    if not case.claims:
        return [section("*Claims*\nnone")]
    lines = [_claim(claim) for claim in case.claims]
    return [section(_fitting(["*Claims, and what they rest on*"], lines, _CLAIMS))]


def _claim(claim: Claim) -> str:
    fetched = f"{claim.fetched_at.day} {claim.fetched_at:%b}"
    source = _link(claim.url) or safe(claim.source, 60)
    said, rests = safe(claim.text, 160), safe(claim.evidence, 160)
    return f"• “{said}”: {safe(claim.fact.replace('_', ' '), 40)} = {rests} ({source}, {fetched})"


def record(case: ApprovalCase) -> list[Block]:
    """What bank, golden set and policy said."""
    lines = []
    if case.bank is not None:
        lines.append(f"• Bank: {safe(case.bank.text, _LINE)}")
        cited = [one for one in case.bank.citations if one.kind != "golden"]
        lines += [_citation(one) for one in cited]
        golden = case.bank.golden
        title = safe(golden.title or "", 100)
        like = f"like “{title}” ({golden.similarity:.0%})" if golden.matched else "no match"
        lines.append(f"• Golden set: {like}")
    passed = sum(check.verdict is Verdict.PASS for check in case.checks)
    marked = [check for check in case.checks if check.verdict is not Verdict.PASS]
    lines.append(f"• Policy: {passed} checks passed{_codes(marked)}")
    return [section(_fitting(["*Have we failed with this before?*"], lines, _BANK))]


def _codes(marked: Sequence[Check]) -> str:
    codes = list(dict.fromkeys(safe(check.code, 40) for check in marked))[:6]
    return f", {len(marked)} to look at ({', '.join(codes)})" if marked else ""


def _citation(cited: BankCitation) -> str:
    numbers = f"{round(cited.k, 1):g} of {round(cited.n, 1):g} failed, {_EFFECTS[cited.effect]}"
    return f"• {safe(cited.title, 120)}: {safe(cited.reason, 200)} ({numbers})"


def foot(case: ApprovalCase) -> Block:
    """Sender, and what to ask the command line for."""
    sender = f"From {safe(case.draft.sender.name, 80)}, {safe(case.draft.sender.email, 140)}"
    policy = safe(case.policy_version, 60)
    about = f"{sender} · {case.approval.approval_id} · {policy}"
    return {"type": "context", "elements": [markup(about)]}


def _fitting(head: Iterable[str], lines: Sequence[str], most: int) -> str:
    """As many lines as `most` characters hold, and how many were left out."""
    kept, left = list(head), most - 40
    for number, line in enumerate(lines):
        left -= len(line) + 1
        if left < 0:
            kept.append(f"… and {len(lines) - number} more")
            break
        kept.append(line)
    return "\n".join(kept)


def _link(url: str | None) -> str | None:
    """A link that shows its host, since a source's address is outside text too."""
    try:
        parts = urlsplit(url or "")
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or len(url or "") > 300:
        return None
    address = quote(url or "", safe=":/?#[]@!$'()*+,;=%-._~&").replace("&", "&amp;")
    return f"<{address}|{safe(host, 60).replace('|', '')}>"


def moment(at: datetime) -> str:
    """A time that each reader sees by their own clock."""
    utc = at.astimezone(UTC)
    said = f"{utc:%a} {utc.day} {utc:%b}, {utc:%H:%M} UTC"
    return f"<!date^{int(utc.timestamp())}^{{date_short_pretty}}, {{time}}|{said}>"
