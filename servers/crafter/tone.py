"""How an e-mail sounds, measured. Owns: tone statistics and how they compare with good e-mails.

The yardstick is config/tone_corpus.json: each measure of a text is compared with the mean and
spread over the corpus. Refuses to judge what a text says; that is the content rules' work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from guardrails.config.loader import describe
from guardrails.config.models import NonEmpty
from guardrails.errors import ConfigError
from guardrails.model import Check, Verdict

_SENTENCE = re.compile(r"(?<=[.!?…])[\"”']?\s+|\n{2,}")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_VOWELS = re.compile(r"[aeiouy]+")
_YOU = {"you", "your", "yours", "you're", "you’re", "yourself", "you'll", "you've"}
_WE = {"i", "we", "our", "ours", "us", "me", "my", "mine", "we're", "i'm", "i'd", "i've", "we've"}
_NEAR, _FAR = 1.5, 4.0  # standard deviations: full marks up to near, none from far on


class ToneCorpus(BaseModel):
    """config/tone_corpus.json"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1]
    version: NonEmpty
    jargon: tuple[NonEmpty, ...]
    hedges: tuple[NonEmpty, ...]
    emails: tuple[NonEmpty, ...] = Field(min_length=5, description="Good e-mails, invented.")


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is measured: which way is worse, and the least spread that means anything."""

    name: str
    least_spread: float
    worse: Literal["high", "low", "both"]
    told: str


MEASURES = (
    Measure("words_per_sentence", 3.0, "both", "words per sentence"),
    Measure("longest_sentence", 5.0, "high", "words in the longest sentence"),
    Measure("you_share", 0.15, "low", "share of you among you and we"),
    Measure("hedges", 1.0, "high", "hedging words per 100 words"),
    Measure("exclamations", 0.4, "high", "exclamation marks"),
    Measure("jargon", 0.4, "high", "jargon words"),
    Measure("reading_ease", 12.0, "low", "Flesch reading ease"),
    Measure("questions", 0.7, "both", "questions"),
)


class Tone:
    """The corpus's statistics, computed once."""

    def __init__(self, corpus: ToneCorpus) -> None:
        self._jargon = _phrases(corpus.jargon)
        self._hedges = _phrases(corpus.hedges)
        measured = [self.measure(text) for text in corpus.emails]
        self._norm = {
            one.name: _norm([row[one.name] for row in measured], one.least_spread)
            for one in MEASURES
        }

    def measure(self, text: str) -> Mapping[str, float]:
        """Every measure of a text, footer left out by the caller."""
        sentences = [found for part in _SENTENCE.split(text) if (found := _WORD.findall(part))]
        words = [word.casefold() for sentence in sentences for word in sentence]
        count = max(1, len(words))
        you = sum(word in _YOU for word in words)
        ours = sum(word in _WE for word in words)
        per_sentence = len(words) / max(1, len(sentences))
        syllables = sum(max(1, len(_VOWELS.findall(word.rstrip("e")))) for word in words)
        return {
            "words_per_sentence": per_sentence,
            "longest_sentence": float(max(map(len, sentences), default=0)),
            "you_share": you / max(1, you + ours),
            "hedges": 100 * len(self._hedges.findall(text)) / count,
            "exclamations": float(text.count("!")),
            "jargon": float(len(self._jargon.findall(text))),
            "reading_ease": 206.835 - 1.015 * per_sentence - 84.6 * syllables / count,
            "questions": float(text.count("?")),
        }

    def judge(self, text: str) -> tuple[tuple[Check, ...], float]:
        """A check per measure, and a score from 0 to 1 (1: like the corpus in every measure)."""
        measured = self.measure(text)
        checks, marks = [], []
        for one in MEASURES:
            mean, spread = self._norm[one.name]
            away = _away(measured[one.name] - mean, one.worse) / spread
            marks.append(min(1.0, max(0.0, (_FAR - away) / (_FAR - _NEAR))))
            checks.append(_check(one, measured[one.name], mean, away))
        return tuple(checks), round(fmean(marks), 3)


def message_of(body: str, sender_name: str) -> str:
    """The part above the sender's name: what tone is about."""
    head, found, _ = body.partition(f"\n{sender_name}\n")
    return head if found else body


def load_tone(path: Path) -> Tone:
    """Read the corpus.

    Raises:
        ConfigError: unreadable or invalid.
    """
    try:
        return Tone(ToneCorpus.model_validate_json(path.read_bytes()))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error)}") from error


def _check(one: Measure, value: float, mean: float, away: float) -> Check:
    far = away >= _FAR
    side = "more" if value > mean else "less"
    found = f"{value:.1f} {one.told}; good e-mails have about {mean:.1f}"
    return Check(
        rule=f"tone_{one.name}",
        verdict=Verdict.REVIEW if far else Verdict.PASS,
        code=f"tone_{one.name}" if far else "ok",
        text=f"{found}, this is far {side}." if far else f"{found}.",
        would_pass_if=f"it is closer to {mean:.1f}" if far else None,
    )


def _away(difference: float, worse: str) -> float:
    if worse == "high":
        return max(0.0, difference)
    return max(0.0, -difference) if worse == "low" else abs(difference)


def _norm(values: Sequence[float], least_spread: float) -> tuple[float, float]:
    return fmean(values), max(pstdev(values), least_spread)


def _phrases(words: Sequence[str]) -> re.Pattern[str]:
    joined = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![\w-])(?:{joined})(?![\w-])", re.IGNORECASE)
