"""Text from outside, made harmless: log lines, change messages and pod names may be written by an attacker."""

import unicodedata

# Control, format (bidi overrides, zero width), surrogate, private use, line and paragraph separators.
_HOSTILE = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
_MARKDOWN = str.maketrans({char: f"\\{char}" for char in "\\`*_{}[]()#!|~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})


def plain(text: str, limit: int = 1000) -> str:
    """Return one line without control or invisible characters, at most ``limit`` characters, runs of space joined."""
    shown = "".join(" " if unicodedata.category(char) in _HOSTILE else char for char in text[: 4 * limit])
    line = " ".join(shown.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def markdown(text: str, limit: int = 1000) -> str:
    """Return ``plain`` text in which no character means anything to Markdown; it can mention nobody either."""
    return plain(text, limit).translate(_MARKDOWN).replace("@", "@\u2060").replace("://", ":\u2060//")
