"""What an approved text looks like at Instantly. Owns: the two variables' values, and the way back.

A campaign's step is exactly `{{swarm_subject}}` and `{{swarm_body}}`; the approved texts travel as
the lead's custom variables. The subject travels as it is. The body is HTML there: everything that
could mean something is escaped and lines end in `<br/>`, the form the vendor documents. The way
back is exact: HTML that is not the one form of some text is refused, so that what a request says
can be compared with what was approved. Refuses what cannot be shown unchanged: control
characters, and braces in a subject, which Instantly would take for its own template language.
"""

from __future__ import annotations

import re
import unicodedata

from guardrails.errors import BadInput

SUBJECT_VARIABLE = "swarm_subject"
BODY_VARIABLE = "swarm_body"
SENDER_VARIABLE = "swarm_sender"
KEY_VARIABLE = "swarm_key"
STEP_SUBJECT = f"{{{{{SUBJECT_VARIABLE}}}}}"
STEP_BODY = f"{{{{{BODY_VARIABLE}}}}}"

LINE_END = "<br/>"
_ENTITIES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
    "{": "&#123;",  # never the vendor's template language
    "}": "&#125;",
}
_MEANINGS = {entity: text for text, entity in _ENTITIES.items()}
_KEPT_SPACE = "&#160;"  # a space that HTML would swallow
_ESCAPED = re.compile("|".join(map(re.escape, _ENTITIES)))
_ENTITY = re.compile("|".join(map(re.escape, (*_MEANINGS, _KEPT_SPACE))))
_SWALLOWED = re.compile(r"(?<= ) |^ | $")
_UNSHOWABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def checked_subject(subject: str) -> str:
    """`subject`, when Instantly sends it as it stands.

    Raises:
        BadInput: empty, more than one line, or with braces.
    """
    if not subject.strip():
        raise BadInput("the subject is empty")
    if _unshowable(subject):
        raise BadInput("the subject holds a control character or a line end")
    if "{" in subject or "}" in subject:
        raise BadInput("the subject holds a brace, which Instantly reads as a variable")
    return subject


def body_html(body: str) -> str:
    """`body` as HTML that shows the same text, line by line.

    Raises:
        BadInput: empty, or with a control character other than a line feed.
    """
    if not body.strip():
        raise BadInput("the body is empty")
    if _unshowable(body.replace("\n", "")):
        raise BadInput("the body holds a control character other than a line feed")
    return LINE_END.join(_line_html(line) for line in body.split("\n"))


def body_text(html: str) -> str:
    """The text whose `body_html` this is.

    Raises:
        BadInput: the HTML of no text.
    """
    text = "\n".join(_ENTITY.sub(_meaning, line) for line in html.split(LINE_END))
    if body_html(text) != html:
        raise BadInput("the body is not HTML as this server writes it")
    return text


def _line_html(line: str) -> str:
    # Spaces first, by a character that the text does not hold: an entity has none of its own.
    kept = _SWALLOWED.sub("\x00", line)
    return _ESCAPED.sub(lambda found: _ENTITIES[found[0]], kept).replace("\x00", _KEPT_SPACE)


def _meaning(found: re.Match[str]) -> str:
    return _MEANINGS.get(found[0], " ")


def _unshowable(text: str) -> bool:
    return any(unicodedata.category(char) in _UNSHOWABLE for char in text)
