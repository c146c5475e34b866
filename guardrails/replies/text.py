"""What of an answer was written by who answered. Owns: cutting off quotations and signatures.

What an e-mail of ours says must never be read as the answer to it: its own footer invites an
opt-out. Where a quotation is marked line by line, what stands below it is kept; where it is not,
our own lines are taken out one by one if we know them, and everything below is dropped if not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import unescape

from guardrails.config.models.replies import Quoting
from guardrails.replies.phrases import PhraseSet, folded, plain, sentences

_ATTRIBUTION_LINES = 3  # mail programs wrap them
_OWN_WORDS = 4  # a shorter piece of ours could be an answer: "no thanks"
_SIGNATURE_LINES = 8
_BLOCKS = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "table", "ul", "ol"})
_SILENT = frozenset({"style", "script", "head", "title", "blockquote"})
_QUOTED = re.compile(r"gmail_quote|divrplyfwdmsg|appendonsend|yahoo_quoted|moz-cite-prefix")
_TAG = re.compile(
    r"<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9]{0,20})(?P<rest>[^<>]{0,4000})>"
    r"|<![^<>]{0,4000}>"
)
_RULE = re.compile(r"\s*(?:[-_=*]\s*){10,}\s*\Z")


@dataclass(frozen=True)
class Written:
    """An answer without what it quotes. `body` is without the signature as well."""

    body: str
    whole: str


class Cutter:
    """Cuts by configured marks."""

    def __init__(self, rules: Quoting) -> None:
        self._attributions = tuple(map(folded, rules.attributions))
        self._openings = frozenset(map(folded, rules.openings))
        self._separators = tuple(map(folded, rules.separators))
        headers = "|".join(re.escape(folded(name)) for name in rules.headers)
        self._header = re.compile(rf"\*?(?:{headers})\s?:\*? .*", re.DOTALL)
        self._own = PhraseSet(rules.own_lines)
        self._devices = tuple(map(folded, rules.devices))
        self._closings = frozenset(map(folded, rules.closings))

    def cut(self, text: str, ours: str) -> Written:
        """What was written in `text`, which answers `ours` (empty when we do not know it)."""
        kept = [line for line in self._unquoted(text.splitlines(), ours) if not self._is_own(line)]
        kept = list(self._undelimited(kept))
        return Written(body="\n".join(self._unsigned(kept)), whole="\n".join(kept))

    def _unquoted(self, lines: Sequence[str], ours: str) -> Iterator[str]:
        mine = plain(ours)
        place, below = 0, False
        while place < len(lines):
            line = lines[place]
            skip = self._mark(lines, place)
            if skip:
                place += skip
                marked = any(one.lstrip().startswith(">") for one in lines[place : place + 3])
                if not marked and not ours:
                    return
                below = below or not marked
                continue
            place += 1
            if line.lstrip().startswith(">") or (ours and _said_by_us(line, mine)):
                continue
            if below and self._header.match(folded(line).strip()):
                continue
            yield line

    def _mark(self, lines: Sequence[str], place: int) -> int:
        """How many lines announce a quotation here; 0 when none does."""
        first = folded(lines[place]).strip()
        if not first or first.startswith(">"):
            return 0
        if first.strip("-_ *").startswith(self._separators) or _RULE.match(first):
            # A rule alone separates anything; it announces one only above a header.
            following = next((one for one in lines[place + 1 :] if one.strip()), "")
            if not _RULE.match(first) or self._header.match(folded(following).strip()):
                return 1
            return 0
        if self._header.match(first) and self._header_block(lines, place):
            return 1
        return self._attribution(lines, place, first)

    def _attribution(self, lines: Sequence[str], place: int, first: str) -> int:
        """Lines of `On Tuesday Robin wrote:`, which mail programs wrap."""
        opens = first.split(" ", 1)[0].strip(",") in self._openings
        for count in range(1, _ATTRIBUTION_LINES + 1 if opens else 2):
            joined = " ".join(folded(one).strip() for one in lines[place : place + count])
            if joined.endswith(":") and any(f" {word}" in joined for word in self._attributions):
                return count
        return 0

    def _header_block(self, lines: Sequence[str], place: int) -> bool:
        """Whether further header lines follow: one alone may be part of a sentence."""
        following = [folded(one).strip() for one in lines[place + 1 : place + 5]]
        return sum(bool(re.match(r"\*?[\w ]{2,12}\s?:\*? ?\S", one)) for one in following) >= 2

    def _is_own(self, line: str) -> bool:
        return self._own.first(plain(line)) is not None

    def _undelimited(self, lines: Sequence[str]) -> Iterator[str]:
        """Up to the delimiter of a signature; without lines of devices."""
        for line in lines:
            if line.rstrip() in ("--", "—") or line.rstrip("\n") == "-- ":
                return
            if not folded(line).strip().startswith(self._devices):
                yield line

    def _unsigned(self, lines: Sequence[str]) -> Sequence[str]:
        """Without a closing and the few lines below it."""
        for place, line in enumerate(lines):
            if place and plain(line).strip(" .") in self._closings:
                rest = [one for one in lines[place + 1 :] if one.strip()]
                return lines[:place] if len(rest) <= _SIGNATURE_LINES else lines
        return lines


def _said_by_us(line: str, mine: str) -> bool:
    words = plain(line).strip(" .")
    return len(words.split()) >= _OWN_WORDS and f" {words} " in mine


def text_of(html: str) -> str:
    """The words of an HTML answer, without what it quotes. Takes time in proportion to its length,
    whatever is in it: what does not look like a tag is text."""
    parts: list[str] = []
    silent: list[str] = []
    place = 0
    for tag in _TAG.finditer(html):
        if not silent:
            parts.append(html[place : tag.start()])
        place = tag.end()
        name = (tag["name"] or "").casefold()
        if not name:
            continue  # a comment
        if name in _BLOCKS:
            parts.append("\n")
        if name in _SILENT:
            _enter(silent, name, closes=bool(tag["close"]))
        elif _QUOTED.search(tag["rest"].casefold()):
            place = len(html)
            break
    if not silent:
        parts.append(html[place:])
    lines = unescape("".join(parts)).splitlines()
    return "\n".join(line.strip() for line in lines)


def _enter(silent: list[str], name: str, *, closes: bool) -> None:
    if not closes:
        silent.append(name)
    elif silent and silent[-1] == name:
        silent.pop()


__all__ = ["Cutter", "Written", "plain", "sentences", "text_of"]
