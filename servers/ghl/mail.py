"""The forms of one e-mail. Owns: HTML from plain text, and whether two texts are the same e-mail.

Everything is escaped and nothing is added: no link, no image, no tracking. The recipient reads the
text that was approved, its opt-out line included.
"""

from __future__ import annotations

import html
import re

_TAG = re.compile(r"<[^>]*>")
_HIDDEN = re.compile(r"<(style|script|head)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_PARAGRAPHS = re.compile(r"\n(?:[ \t]*\n)+")


def html_of(body: str) -> str:
    """`body` as HTML: a paragraph for each block of lines, a break for each line end."""
    blocks = (block for block in _PARAGRAPHS.split(body) if block.strip())
    return "\n".join(
        "<p>" + "<br>\n".join(html.escape(line) for line in block.strip("\n").split("\n")) + "</p>"
        for block in blocks
    )


def words_of(markup: str) -> str:
    """The bare words that HTML shows, to be compared with `plain_words` of a text."""
    return plain_words(html.unescape(_TAG.sub(" ", _HIDDEN.sub(" ", markup))))


def plain_words(text: str) -> str:
    """The words of a text, whatever stands between them."""
    return " ".join(text.split())
