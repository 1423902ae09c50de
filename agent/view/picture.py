"""A snapshot as an SVG file, for pages that cannot run a terminal."""

import io
import re

from rich.console import Console

from agent.casebook import Snapshot
from agent.view.console import console

_FONT_FACE = re.compile(r"@font-face\s*\{.*?\}", re.DOTALL)


def svg(snapshot: Snapshot, width: int = 112, height: int = 36) -> str:
    """Return the console as SVG that fetches nothing, ids and all the same for the same snapshot."""
    recorder = Console(record=True, width=width, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    recorder.print(console(snapshot, width, height))
    return _FONT_FACE.sub("", recorder.export_svg(title="prunella demo", unique_id="prunella"))
