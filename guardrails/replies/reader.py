"""Which class an answer is of. Owns: the order in which classes are looked for.

    a machine's bounce > unsubscribe > wrong person > automatic > the rest, the more careful first

An opt-out in any wording wins over everything that a person can write beside it. What nothing
matches is taken for one when it is short and speaks of ending and of mail, and a yes when it is
short and speaks of ending; what is left has no class. A person reads both. Text is data: it can
make us more careful, never less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from guardrails.config.models.replies import Replies, ReplyClass
from guardrails.replies.dates import DateFinder
from guardrails.replies.phrases import PhraseSet, Spelling, folded, plain, sentences
from guardrails.replies.text import Cutter, text_of

_HEAD, _TAIL = 3000, 1500  # characters
# After the opt-out, a wrong person and machines: the more careful reading first.
_REST: tuple[ReplyClass, ...] = (
    "not_interested", "has_solution", "objection_price", "objection_timing", "technical",
    "needs_info", "positive",
)  # fmt: skip


@dataclass(frozen=True)
class Mail:
    """An answer as it came in.

    Args:
        ours: the text that it answers, if we know it.
        our_subject: and its subject.
        sender: who wrote it, if the vendor says so.
        headers: names in any case; vendors' webhooks mostly give none.
        machine: the vendor says that a machine answered.
    """

    received_at: datetime
    text: str = ""
    html: str = ""
    subject: str = ""
    sender: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    ours: str = ""
    our_subject: str = ""
    machine: bool = False


@dataclass(frozen=True)
class Reading:
    """What an answer says.

    Args:
        reply_class: None when nothing matched: a person reads it.
        rule: the phrase or mark that decided; ours, never the answer's text.
        angry: an opt-out in anger.
        permanent: of a bounce: it will never arrive.
        until: of an automatic answer: the day until which it parks the lead.
    """

    reply_class: ReplyClass | None
    rule: str
    to_person: bool
    angry: bool = False
    permanent: bool = True
    until: date | None = None


@dataclass(frozen=True)
class _Said:
    """The normal forms of what was written."""

    body: str
    whole: str
    lines: str
    raw: str
    subject: str


class ReplyReader:
    """Reads answers by one configuration. Safe to share between threads."""

    def __init__(self, rules: Replies) -> None:
        self._rules = rules
        self._cutter = Cutter(rules.quoting)
        self._dates = DateFinder(rules.auto_reply)
        self._spelling = Spelling(rules.rewrites, rules.typos.words, rules.typos.never)
        self._classes = {name: PhraseSet(of) for name, of in rules.classes.items()}
        self._harmless = PhraseSet(rules.harmless)
        self._angry = PhraseSet(rules.angry)
        self._ends = PhraseSet(rules.likely.ends)
        self._contact = PhraseSet(rules.likely.contact)
        self._alone = PhraseSet(rules.likely.alone)
        self._auto_subjects = PhraseSet(rules.auto_reply.subjects)
        self._auto_phrases = PhraseSet(rules.auto_reply.phrases)
        self._bounce_subjects = PhraseSet(rules.bounce.subjects)
        self._bounce_phrases = PhraseSet(rules.bounce.phrases)
        self._temporary = PhraseSet(rules.bounce.temporary)

    def read(self, mail: Mail) -> Reading:
        """The class of an answer, and what decided."""
        said = self._said(mail)
        bounce = self._bounce(mail, said)
        if bounce is not None and bounce.permanent:
            return bounce
        found = self._opt_out(said)
        if found is not None:
            return found
        if bounce is not None:
            return bounce
        gone = self._classes["wrong_person"].first(said.body)
        if gone is not None:
            return self._reading("wrong_person", gone)
        machine = self._machine(mail, said)
        if machine is not None:
            until = self._dates.until(f"{mail.subject}\n{said.raw}", mail.received_at.date())
            return Reading("auto_reply", machine, to_person=False, until=until)
        return self._rest(said)

    def _rest(self, said: _Said) -> Reading:
        for name in _REST:
            for text in (said.body, said.lines):
                rule = self._classes[name].first(text)
                if rule is None:
                    continue
                if name == "positive" and (ending := self._ending(said)) is not None:
                    return Reading("unsubscribe", ending, to_person=True)
                return self._reading(name, rule)
        likely = self._likely(said)
        if likely is not None:
            return Reading("unsubscribe", likely, to_person=True)
        return Reading(None, "nothing matched", to_person=True)

    def _ending(self, said: _Said) -> str | None:
        """A word of ending that stands nearly alone."""
        text = self._harmless.without(said.body)
        words = sum(word != "." for word in text.split())
        alone = self._alone.first(text) if words <= self._rules.likely.short else None
        return f"likely: {alone}" if alone is not None else None

    def _likely(self, said: _Said) -> str | None:
        """An opt-out in words that no phrase foresaw; a person reads it as well."""
        if (alone := self._ending(said)) is not None:
            return alone
        rules, text = self._rules.likely, self._harmless.without(said.body)
        words = sum(word != "." for word in text.split())
        ends = self._ends.first(text) if words <= rules.long else None
        contact = self._contact.first(text) if ends is not None else None
        return f"likely: {ends} + {contact}" if contact is not None else None

    def _reading(self, name: ReplyClass, rule: str) -> Reading:
        return Reading(name, rule, to_person=name in self._rules.to_person)

    def _said(self, mail: Mail) -> _Said:
        most = self._rules.max_chars
        raw = mail.text if mail.text.strip() else text_of(mail.html[: 4 * most])
        written = self._cutter.cut(raw[:most], mail.ours)
        subject = plain(mail.subject[:500])
        if ours := plain(mail.our_subject).strip(" ."):
            subject = subject.replace(f" {ours} ", " . ")
        mend = self._spelling.mended
        body, whole = _ends(written.body), _ends(written.whole)
        return _Said(
            body=mend(plain(body)),
            whole=mend(plain(whole)),
            lines=mend(sentences(whole)),
            raw=whole,
            subject=mend(subject),
        )

    def _opt_out(self, said: _Said) -> Reading | None:
        for text in (said.whole, said.lines, said.subject):
            left = self._harmless.without(text)
            angry = self._angry.first(left)
            rule = angry or self._classes["unsubscribe"].first(left)
            if rule is not None:
                angry = angry or self._angry.first(self._harmless.without(said.whole))
                person = "unsubscribe" in self._rules.to_person
                return Reading("unsubscribe", rule, to_person=person, angry=angry is not None)
        return None

    def _machine(self, mail: Mail, said: _Said) -> str | None:
        rules = self._rules.auto_reply
        if mail.machine:
            return "the vendor says so"
        return (
            _header(mail.headers, rules.headers)
            or self._auto_subjects.first(plain(mail.subject[:500]))
            or self._auto_phrases.first(said.body)
        )

    def _bounce(self, mail: Mail, said: _Said) -> Reading | None:
        """A delivery report: by its sender or headers, or by its subject and words together."""
        rules = self._rules.bounce
        local = folded(mail.sender).strip(" <").partition("@")[0]
        by_sender = next((name for name in rules.senders if local.startswith(folded(name))), None)
        mark = by_sender or _header(mail.headers, rules.headers)
        words = self._bounce_phrases.first(f"{said.whole}{plain(mail.text[:4000])}")
        subject = self._bounce_subjects.first(plain(mail.subject[:500]))
        rule = mark or (subject if subject and words else None)
        if rule is None:
            return None
        lasting = self._temporary.first(f"{plain(mail.subject[:500])}{said.whole}") is None
        return Reading("bounce", rule, to_person=False, permanent=lasting)


def _ends(text: str) -> str:
    """Its beginning and its end: nobody hides a wish in the middle of so much."""
    if len(text) <= _HEAD + _TAIL:
        return text
    return f"{text[:_HEAD]}\n\n{text[-_TAIL:]}"


def _header(headers: Mapping[str, str], rules: Mapping[str, tuple[str, ...]]) -> str | None:
    """The first header that says so."""
    given = {name.casefold(): folded(value).strip() for name, value in headers.items()}
    for name, starts in rules.items():
        value = given.get(name.casefold())
        if value is not None and (not starts or any(folded(one) in value for one in starts)):
            return name
    return None
