"""Text from outside, made harmless: log lines, change messages and pod names may be written by an attacker."""

import re
import unicodedata

# Control, format (bidi overrides, zero width), surrogate, private use, line and paragraph separators.
_HOSTILE = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
_ESCAPED = str.maketrans({char: f"\\{char}" for char in "\\`*[]|~"})
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ENTITY = re.compile(r"&(?=#?\w)")
_EDGE = re.compile(r"(?<!\w)_|_(?!\w)")  # inside a word an underscore means nothing
_LEAD = re.compile(r"^(\d*)([.)+-](?=\s|$)|[#>=]|-(?=-))")  # what would begin a heading, quote, list or rule
_JOINER = "\u2060"  # invisible and unbreakable: keeps a forge from linking or mentioning


def plain(text: str, limit: int = 1000) -> str:
    """Return one line without control or invisible characters, at most ``limit`` characters, runs of space joined."""
    shown = "".join(" " if unicodedata.category(char) in _HOSTILE else char for char in text[: 4 * limit])
    line = " ".join(shown.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def markdown(text: str, limit: int = 1000) -> str:
    """Return ``plain`` text in which no character means anything to Markdown; it links and mentions nothing either."""
    shown = _TAG.sub("&lt;", _ENTITY.sub("&amp;", plain(text, limit).translate(_ESCAPED)))
    shown = _LEAD.sub(r"\1\\\2", _EDGE.sub(r"\_", shown))
    return re.sub(r"([@#])(?=\w)", rf"\1{_JOINER}", shown).replace("://", f":{_JOINER}//")
