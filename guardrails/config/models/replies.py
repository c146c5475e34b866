"""config/replies.json: how answers are read.

Phrases are in a small language over normalised words (lower case, without accents, apostrophes and
hyphens): `a|b` either word, `a*` a word that begins so, `a?` may be missing, `...` up to three
words in between, `^` and `$` where a sentence begins and ends. Nothing in it can run for long on
hostile text, as a regular expression might.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from guardrails.config.models.base import NonEmpty, Section

ReplyClass = Literal[
    "positive",  # wants to talk
    "objection_timing",  # not now
    "objection_price",  # speaks of money: always to a person
    "has_solution",  # somebody does it already
    "needs_info",  # asks what it is
    "technical",  # asks how it works, or whether it is safe: to a person
    "not_interested",  # no, politely
    "wrong_person",  # somebody else, or gone
    "unsubscribe",  # wants no more of it, in whatever words
    "auto_reply",  # a machine answered (RFC 3834)
    "bounce",  # a machine says that it did not arrive
]
_TOKEN = re.compile(r"\^|\$|\.\.\.|(?:\w+\*?)(?:\|\w+\*?)*\??")


def _phrase(text: str) -> str:
    tokens = text.split()
    wrong = [token for token in tokens if not _TOKEN.fullmatch(token)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is neither words, nor `...`, `^` or `$`")
    if all(token in ("^", "$", "...") or token.endswith("?") for token in tokens):
        raise ValueError("a phrase needs a word that must be there")
    return text


Phrase = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300),
    AfterValidator(_phrase),
]  # fmt: skip
Phrases = Annotated[tuple[Phrase, ...], Field(min_length=1)]


class Typos(Section):
    """Words that are recognised when misspelt, and words that must not be taken for them."""

    words: tuple[NonEmpty, ...] = Field(description="From 7 letters on; longer ones forgive more.")
    never: tuple[NonEmpty, ...]


class Quoting(Section):
    """What of an answer is not the answer: ours that it quotes, and its signature."""

    attributions: tuple[NonEmpty, ...] = Field(
        description="What ends the line above a quotation, as `wrote` in `On Monday Robin wrote:`."
    )
    openings: tuple[NonEmpty, ...] = Field(description="How that line begins, as `On`.")
    separators: tuple[NonEmpty, ...] = Field(description="Begin a line above a quotation.")
    headers: tuple[NonEmpty, ...] = Field(description="`From:` in every language.")
    own_lines: Phrases = Field(description="Sentences of our own footer.")
    devices: tuple[NonEmpty, ...] = Field(description="Begin a line such as `Sent from my phone`.")
    closings: tuple[NonEmpty, ...] = Field(description="Words that a signature follows.")


class LikelyOptOut(Section):
    """What is taken for an opt-out when no other class matched: better one too many."""

    short: int = Field(ge=1, description="Up to so many words, one of `alone` will do.")
    long: int = Field(ge=1, description="Up to so many, one of `ends` with one of `contact`.")
    ends: Phrases
    contact: Phrases
    alone: Phrases


class AutoReplies(Section):
    """How a machine's answer is known (RFC 3834), and until when it parks a lead."""

    headers: dict[NonEmpty, tuple[NonEmpty, ...]] = Field(
        description="Header to what its value begins with; an empty list: any value."
    )
    subjects: Phrases
    phrases: Phrases
    months: tuple[tuple[NonEmpty, ...], ...] = Field(
        min_length=12, max_length=12, description="Names of January and so on."
    )
    weekdays: tuple[tuple[NonEmpty, ...], ...] = Field(
        min_length=7, max_length=7, description="Names of Monday and so on."
    )
    max_park_days: int = Field(gt=0, le=366)


class Bounces(Section):
    """How a delivery report is known."""

    senders: tuple[NonEmpty, ...] = Field(description="Local parts of machines' addresses.")
    headers: dict[NonEmpty, tuple[NonEmpty, ...]]
    subjects: Phrases
    phrases: Phrases
    temporary: Phrases = Field(description="It is still being tried.")


class Replies(Section):
    """config/replies.json"""

    schema_version: Literal[1]
    version: NonEmpty
    max_chars: int = Field(ge=1_000, le=200_000, description="More of an answer is not read.")
    rewrites: tuple[tuple[NonEmpty, NonEmpty], ...] = Field(
        description="What is written, and the one spelling that phrases know it by."
    )
    typos: Typos
    quoting: Quoting
    harmless: Phrases = Field(description="Taken out before an opt-out is looked for.")
    angry: Phrases = Field(description="An opt-out in anger; the bank hears of the anger.")
    likely: LikelyOptOut
    auto_reply: AutoReplies
    bounce: Bounces
    classes: dict[ReplyClass, Phrases] = Field(description="All but auto_reply and bounce.")
    to_person: tuple[ReplyClass, ...] = Field(description="Answers that a person must read.")

    @field_validator("classes")
    @classmethod
    def _every_class(cls, classes: dict[ReplyClass, Phrases]) -> dict[ReplyClass, Phrases]:
        wanted = {
            "positive", "objection_timing", "objection_price", "has_solution", "needs_info",
            "technical", "not_interested", "wrong_person", "unsubscribe",
        }  # fmt: skip
        if set(classes) != wanted:
            odd = ", ".join(sorted(wanted ^ set(classes)))
            raise ValueError(f"exactly {len(wanted)} classes; look at: {odd}")
        return classes

    @field_validator("to_person")
    @classmethod
    def _always(cls, to_person: tuple[ReplyClass, ...]) -> tuple[ReplyClass, ...]:
        missing = {"objection_price", "technical"} - set(to_person)
        if missing:
            raise ValueError(f"{', '.join(sorted(missing))} always go to a person")
        return to_person
