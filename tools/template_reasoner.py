"""The summary that is written where there is no language model: the facts themselves, in order, cut to size. Pure."""

import re

from tools.errors import ToolError
from tools.ports import Reasoner

MOST = 6  # facts in a summary
_BULLET = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+")


class TemplateReasoner:
    """Implements ``tools.ports.Reasoner`` without a model: says what it was told, and nothing else."""

    def summarise(self, facts: str) -> str:
        """Return the first facts as sentences; a fixed sentence when there are none."""
        told = [sentence for line in facts.splitlines() if (sentence := _sentence(line))]
        if not told:
            return "Nothing is known yet."
        more = len(told) - MOST
        rest = f" ({more} more below.)" if more > 0 else ""
        return " ".join(told[:MOST]) + rest


class FallbackReasoner:
    """Asks the first, and the second where the first fails. So a summary never waits on a model being well."""

    def __init__(self, first: Reasoner, second: Reasoner) -> None:
        self._first = first
        self._second = second

    def summarise(self, facts: str) -> str:
        """Return a summary of whoever could give one."""
        try:
            return self._first.summarise(facts)
        except ToolError:
            return self._second.summarise(facts)


def _sentence(line: str) -> str:
    """Return a Markdown bullet as a sentence; nothing for a heading or a blank line."""
    if not line.strip() or line.lstrip().startswith("#"):
        return ""
    text = " ".join(_BULLET.sub("", line).split())
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
