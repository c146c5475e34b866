"""The card on which a person decides. Owns: what it says, and that it always fits.

Everything that comes from outside is shown as it is and does nothing (`words`); the e-mail itself
stands in rich text, which knows no markup at all. Buttons carry the approval's id and the content
hash, nothing else. Refuses to let anybody approve what the card cannot show in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from guardrails.approval_model import Approval, ApprovalState
from guardrails.approvers import ApproverList
from guardrails.model import BankCitation, Check, Claim, Verdict
from orchestrator.approvals.case import ApprovalCase
from orchestrator.slack.client import Message
from orchestrator.slack.outbox import card_id
from orchestrator.slack.words import cut, markup, pieces, plain, safe, visible

Block = dict[str, Any]
APPROVE, EDIT, REJECT, CONSOLE = "swarm_approve", "swarm_edit", "swarm_reject", "swarm_console"
# Characters as sent. Together below the 13,200 at which Slack refuses a message.
_SUBJECT, _BODY, _PIECE = 300, 6000, 2900
_REASONS, _CLAIMS, _BANK, _LINE, _FIELD = 1500, 1800, 1500, 400, 350
_VALUE = re.compile(r"(AP-[0-9a-f]{20})\.([0-9a-f]{64})\Z")
_HEADS = {
    ApprovalState.APPROVED: "Approved",
    ApprovalState.REJECTED: "Rejected: not sent",
    ApprovalState.EXPIRED: "Expired: not sent",
    ApprovalState.SUPERSEDED: "Edited: the new text has a card of its own",
    ApprovalState.WITHDRAWN: "Withdrawn: not sent",
}


def button_value(approval: Approval) -> str:
    """What a button carries."""
    return f"{approval.approval_id}.{approval.content_hash}"


def read_value(value: object) -> tuple[str, str] | None:
    """Approval id and content hash of a button; None when it is none of ours."""
    found = _VALUE.match(value) if isinstance(value, str) else None
    return (found[1], found[2]) if found else None


class Cards:
    """Makes cards. `console_url`: linked when given."""

    def __init__(self, approvers: ApproverList, console_url: str | None = None) -> None:
        self._approvers = approvers
        self._console_url = console_url

    def message(self, case: ApprovalCase) -> Message:
        """The card as the approval stands: with its buttons, or with how it ended."""
        approval = case.approval
        waits = approval.state is ApprovalState.WAITING
        who = _who(case)
        head = _title(case) if waits else _HEADS[approval.state]
        blocks = [
            _header(f"Sandbox: {head}" if case.sandbox else head),
            *([] if waits else [_section(self.ending(approval))]),
            _facts(case),
            *(_closely(case, self._name(approval.author)) if waits else []),
            *_letter(case),
            *_claims(case),
            *_record(case),
            *(self._actions(case) if waits else []),
            _foot(case),
        ]
        text = f"{head}: e-mail to {who}" if not waits else f"An e-mail to {who} waits for you."
        return Message(card_id(approval.approval_id), text, blocks)

    def plainly(self, approval_id: str) -> Message:
        """A card without its e-mail, for when Slack would not take the real one."""
        text = f"An e-mail waits that cannot be shown here: swarm approvals show {approval_id}"
        return Message(card_id(approval_id), text, [_section(text)])

    def without_record(self, approval: Approval) -> Message:
        """The end of a card whose e-mail can no longer be read, e.g. because it was erased."""
        head = _HEADS.get(approval.state, "Cannot be shown")
        gone = "What it was about is no longer on record here."
        blocks = [_header(head), _section(f"{self.ending(approval)}\n{gone}")]
        return Message(card_id(approval.approval_id), f"{head}. {gone}", blocks)

    def ending(self, approval: Approval) -> str:
        """Who ended it, what they said, and when, as markup."""
        head = _HEADS.get(approval.state, "Waiting").partition(":")[0]
        who = self._name(approval.ended_by)
        said = f"*{head}*{f' by {safe(who, 80)}' if who else ''}"
        if approval.ended_at:
            said += f", {_moment(approval.ended_at)}"
        if approval.ended_via and approval.ended_via not in ("slack", "swarm"):
            said += f" ({approval.ended_via})"
        reason = ": ".join(filter(None, (approval.reason_code, approval.reason_text)))
        return f"{said}\n{safe(reason, 1500)}" if reason else said

    def _name(self, person_id: str | None) -> str | None:
        found = self._approvers.by_id(person_id) if person_id else None
        return found.name if found else None

    def _actions(self, case: ApprovalCase) -> list[Block]:
        approval, buttons = case.approval, []
        if _shown_whole(case):
            buttons = [_button(APPROVE, "Approve", approval, "primary")]
            buttons += [_button(EDIT, "Edit…", approval)]
        buttons += [_button(REJECT, "Reject…", approval, "danger")]
        if self._console_url:
            url = f"{self._console_url.rstrip('/')}/approvals/{approval.approval_id}"
            link = {"type": "button", "action_id": CONSOLE, "text": plain("Open console")}
            buttons.append(link | {"url": url})
        return [{"type": "actions", "block_id": card_id(approval.approval_id), "elements": buttons}]


def _title(case: ApprovalCase) -> str:
    return "Look closely: e-mail to approve" if case.approval.alone else "E-mail to approve"


def _who(case: ApprovalCase) -> str:
    lead = case.dossier.lead
    name = " ".join(filter(None, (lead.first_name, lead.last_name)))
    return safe(", ".join(filter(None, (name, lead.company))) or "a lead", 160)


def _facts(case: ApprovalCase) -> Block:
    lead, fit, approval = case.dossier.lead, case.qualification, case.approval
    name = " ".join(filter(None, (lead.first_name, lead.last_name)))
    job = ", ".join(filter(None, (lead.title, lead.company)))
    to = [f"*{safe(name, 80)}*" if name else "", safe(job, 120), safe(case.to, 140)]
    score = f"{fit.score} of 100, tier {fit.tier}" if fit else "not scored"
    words = f"{fit.segment}, {fit.persona}" if fit else approval.segment
    price = f"${case.cost_micros / 1_000_000:.2f} spent on this lead"
    texts = (
        "*To*\n" + "\n".join(filter(None, to)),
        f"*Goes out at the earliest*\n{_when(case)}",
        f"*Fit*\n{score}\n{safe(words.replace('_', ' '), 120)}",
        f"*Decide by*\n{_moment(approval.expires_at)}, else it is not sent\n{price}",
    )
    return {"type": "section", "fields": [markup(text) for text in texts]}


def _when(case: ApprovalCase) -> str:
    local = case.local_send_time
    if local is None:
        return "when its recipient's hours are known"
    zone = safe(str(local.tzinfo).replace("_", " "), 60)
    return f"{local:%a} {local.day} {local:%b}, {local:%H:%M} their time\n{zone}"


def _closely(case: ApprovalCase, author: str | None) -> list[Block]:
    """Why somebody must look at this one by itself; reasons of the review first."""
    lines = [f"• {safe(check.text, _LINE)}" for check in case.review_reasons]
    if case.approval.first_of_segment:
        lines.append(f"• The first of its segment ({safe(case.approval.segment, 80)}).")
    if author is not None:
        lines.append(f"• {safe(author, 80)} wrote this text: somebody else must approve it.")
    if not _shown_whole(case):
        lines.append(
            "• It is too long to be shown whole, so it cannot be approved here: "
            f"`swarm approvals show {case.approval.approval_id}`"
        )
    return [_section(_fitting(["*Look closely*"], lines, _REASONS))] if lines else []


def _letter(case: ApprovalCase) -> list[Block]:
    """Subject and body. A blank line between pieces would be no part of the e-mail."""
    subject = cut(visible(case.draft.subject), _SUBJECT)
    body = cut(visible(case.draft.body).rstrip("\n"), _BODY)
    title = {"type": "text", "text": subject or "(no subject)", "style": {"bold": True}}
    parts: list[Block] = [{"type": "rich_text_section", "elements": [title]}]
    for piece in pieces(body, _PIECE) or ["(no text)"]:
        quoted = {"type": "text", "text": piece}
        parts.append({"type": "rich_text_quote", "elements": [quoted]})
    return [{"type": "divider"}, {"type": "rich_text", "elements": parts}, {"type": "divider"}]


def _shown_whole(case: ApprovalCase) -> bool:
    subject, body = visible(case.draft.subject), visible(case.draft.body)
    whole = len(subject) <= _SUBJECT and len(body.rstrip("\n")) <= _BODY
    return whole and len(case.to) <= 140 and bool(subject.strip() and body.strip())


def _claims(case: ApprovalCase) -> list[Block]:
    if not case.claims:
        return [_section("*Claims*\nnone")]
    lines = [_claim(claim) for claim in case.claims]
    return [_section(_fitting(["*Claims, and what they rest on*"], lines, _CLAIMS))]


def _claim(claim: Claim) -> str:
    fetched = f"{claim.fetched_at.day} {claim.fetched_at:%b}"
    source = _link(claim.url) or safe(claim.source, 60)
    said, rests = safe(claim.text, 160), safe(claim.evidence, 160)
    return f"• “{said}”: {safe(claim.fact, 40)} = {rests} ({source}, {fetched})"


def _record(case: ApprovalCase) -> list[Block]:
    """What bank, golden set and policy said."""
    lines = []
    if case.bank is not None:
        lines.append(f"• Bank: {safe(case.bank.text, _LINE)}")
        lines += [_citation(citation) for citation in case.bank.citations]
        golden = case.bank.golden
        title = safe(golden.title or "", 100)
        like = f"like “{title}” ({golden.similarity:.0%})" if golden.matched else "no match"
        lines.append(f"• Golden set: {like}")
    passed = sum(check.verdict is Verdict.PASS for check in case.checks)
    marked = [check for check in case.checks if check.verdict is not Verdict.PASS]
    lines.append(f"• Policy: {passed} checks passed{_codes(marked)}")
    return [_section(_fitting(["*Have we failed with this before?*"], lines, _BANK))]


def _codes(marked: Sequence[Check]) -> str:
    codes = list(dict.fromkeys(safe(check.code, 40) for check in marked))[:6]
    return f", {len(marked)} to look at ({', '.join(codes)})" if marked else ""


def _citation(cited: BankCitation) -> str:
    numbers = f"{cited.k:.3g} of {cited.n:.3g} failed"
    return f"• {safe(cited.title, 120)}: {safe(cited.reason, 200)} ({numbers}, {cited.effect})"


def _foot(case: ApprovalCase) -> Block:
    about = f"{case.approval.approval_id} · policy {safe(case.policy_version, 40)}"
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


def _moment(moment: datetime) -> str:
    """A time that each reader sees by their own clock."""
    utc = moment.astimezone(UTC)
    said = f"{utc:%a} {utc.day} {utc:%b}, {utc:%H:%M} UTC"
    return f"<!date^{int(utc.timestamp())}^{{date_short_pretty}}, {{time}}|{said}>"


def _header(text: str) -> Block:
    return {"type": "header", "text": plain(text)}


def _section(text: str) -> Block:
    return {"type": "section", "text": markup(text)}


def _button(action: str, label: str, approval: Approval, style: str | None = None) -> Block:
    value = button_value(approval)
    made = {"type": "button", "action_id": action, "text": plain(label), "value": value}
    return made | {"style": style} if style else made
