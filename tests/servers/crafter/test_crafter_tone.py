"""Tone is measured against good e-mails, and the reasons say what is off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guardrails.config.loader import config_path
from guardrails.errors import ConfigError
from servers.crafter.contract import CheckText
from servers.crafter.tone import Tone, ToneCorpus, load_tone, message_of

PUSHY = (
    "Hi Ana,\n\nWe are a world-class, cutting-edge, AI-powered provider and we leverage our robust "
    "end-to-end solutions to unlock synergies! We really just believe that we can basically "
    "revolutionize our industry with our holistic, best-in-class and truly transformative "
    "ecosystem of innovative, scalable and seamless capabilities, which our thought leaders "
    "utilize across each of the many industries that we have been so proud to disrupt!!\n\n"
    "We would love to circle back!"
)


@pytest.fixture(scope="module")
def corpus() -> ToneCorpus:
    return ToneCorpus.model_validate_json(config_path("tone_corpus.json").read_bytes())


def test_each_email_of_the_corpus_sounds_like_the_corpus(corpus: ToneCorpus) -> None:
    tone = Tone(corpus)
    for text in corpus.emails:
        checks, score = tone.judge(text)
        assert score >= 0.85
        assert {check.verdict for check in checks} == {"pass"}


def test_the_corpus_keeps_its_own_rules(corpus: ToneCorpus) -> None:
    tone = Tone(corpus)
    for text in corpus.emails:
        measured = tone.measure(text)
        assert measured["jargon"] == 0
        assert measured["exclamations"] == 0


def test_a_pushy_email_scores_low_and_each_fault_is_named(corpus: ToneCorpus) -> None:
    checks, score = Tone(corpus).judge(PUSHY)
    wrong = {check.code for check in checks if check.verdict == "review"}
    assert score < 0.4
    assert wrong >= {"tone_jargon", "tone_exclamations", "tone_you_share", "tone_longest_sentence"}
    assert all(check.would_pass_if for check in checks if check.verdict == "review")


@pytest.mark.parametrize("text", ["", " ", "!!!", "日本語のメールです。", "a" * 5000])
def test_any_text_can_be_measured(corpus: ToneCorpus, text: str) -> None:
    _, score = Tone(corpus).judge(text)
    assert 0 <= score <= 1


def test_a_word_inside_another_word_is_no_jargon(corpus: ToneCorpus) -> None:
    assert Tone(corpus).measure("The disruptor leveraged a solution.")["jargon"] == 0


def test_signature_and_legal_lines_do_not_count() -> None:
    assert (
        message_of("Hi,\n\nText.\n\nRobin Hale\nOurs\nStreet 1", "Robin Hale") == "Hi,\n\nText.\n"
    )
    assert message_of("no signature", "Robin Hale") == "no signature"


@pytest.mark.anyio
async def test_check_text_gives_content_and_tone_findings(writer: Any) -> None:
    answer = await writer.service.check_text(
        CheckText(subject="RE: ACT NOW", body="I hope this finds you well. {{first_name}}")
    )
    codes = {check.code for check in answer.checks}
    assert codes >= {"banned_opener", "placeholder", "spam_word", "body_length", "no_opt_out"}
    assert any(check.rule.startswith("tone_") for check in answer.checks)


@pytest.mark.anyio
async def test_check_text_passes_what_the_crafter_writes(writer: Any) -> None:
    draft = writer.write(news=(writer.news(),)).draft
    answer = await writer.service.check_text(CheckText(subject=draft.subject, body=draft.body))
    assert {check.verdict for check in answer.checks} == {"pass"}
    assert answer.tone_score > 0.9


@pytest.mark.parametrize("content", ["", "{}", '{"schema_version": 2}'])
def test_an_unusable_corpus_stops_the_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tone_corpus.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="tone_corpus"):
        load_tone(path)


def test_a_missing_corpus_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_tone(tmp_path / "tone_corpus.json")
