"""Outside text on its way to Slack. Owns: that it reads as it is, and does nothing (P9).

Slack gives `<…>` a meaning (links, `<!channel>`, `<@U…>`) and links bare addresses and names by
itself; hidden and direction-changing characters could show an approver something else than what
is sent. Refuses none of it: what is hidden is shown by its number.
"""

from __future__ import annotations

import unicodedata
from typing import Any

_JOINERS = "\u200c\u200d"  # joined letters of some scripts, and of many emoji
_BREAKS = str.maketrans({"\r": "\n", "\u2028": "\n", "\u2029": "\n", "\t": " "})


def visible(text: str) -> str:
    """`text` with its line breaks, and everything that hides or turns text shown as [U+202E]."""
    whole = text.replace("\r\n", "\n").translate(_BREAKS)
    return "".join(map(_shown, whole))


def _shown(character: str) -> str:
    if character in _JOINERS or character == "\n":
        return character
    kind = unicodedata.category(character)
    return f"[U+{ord(character):04X}]" if kind in ("Cc", "Cf", "Cs", "Co", "Cn") else character


def one_line(text: str, most: int = 300) -> str:
    """The same on one line of at most `most` characters, white space run together."""
    return cut(" ".join(visible(text).split()), most)


def cut(text: str, most: int) -> str:
    """At most `most` characters; a text that is cut ends with an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def escaped(text: str) -> str:
    """What Slack's markup shows as `text`: no link, no mention, nobody called."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def safe(text: str, most: int = 300) -> str:
    """One line of outside text inside markup, at most `most` characters long as it is sent."""
    return _fitted(one_line(text, most), most)


def safe_lines(text: str, most: int = 2900) -> str:
    """The same with its line breaks kept."""
    return _fitted(cut(visible(text), most), most)


def _fitted(text: str, most: int) -> str:
    said = escaped(text)
    while len(said) > most:  # an escaped character is at most five long
        text = cut(text, max(1, len(text) - max(1, (len(said) - most) // 5)))
        said = escaped(text)
    return said


def pieces(text: str, most: int) -> list[str]:
    """`text` in parts of at most `most` characters that, joined, are `text`.

    Cut after a line's end where one is near, else after a space.
    """
    parts = []
    while len(text) > most:
        window = text[:most]
        at = max(window.rfind("\n", most // 2), window.rfind(" ", most // 2)) + 1 or most
        parts.append(text[:at])
        text = text[at:]
    return [*parts, text] if text else parts


def markup(text: str) -> dict[str, Any]:
    """A text object of Slack's markup. `verbatim`: nothing that stands bare becomes a link."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def section(text: str) -> dict[str, Any]:
    """A block of markup by itself."""
    return {"type": "section", "text": markup(text)}


def plain(text: str) -> dict[str, Any]:
    """A text object without any markup; for words of ours."""
    return {"type": "plain_text", "text": text, "emoji": False}
