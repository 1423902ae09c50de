"""Colours that colour-blind people tell apart (Okabe and Ito), each with a symbol: none carries meaning alone."""

GOOD = "#56B4E9"
BAD = "bold #E69F00"
UNKNOWN = "#999999"
ASK = "bold #F0E442"
QUIET = "dim"
BORDER = "#777777"
TITLE = "bold"

STATE = {"ok": ("✔", "ok", GOOD), "bad": ("✖", "BAD", BAD), "no_data": ("?", "no data", UNKNOWN)}
STEP = {
    "intended": ("◔", BAD),
    "running": ("◑", BAD),
    "done": ("✔", GOOD),
    "failed": ("✖", BAD),
    "undone": ("↩", UNKNOWN),
    "waiting": ("○", QUIET),
}
VERDICT = {"allow": ("✔", GOOD), "ask": ("?", ASK), "deny": ("✖", BAD)}
PHASE = {
    "investigating": ("◔", BAD),
    "planning": ("◔", BAD),
    "waiting_approval": ("?", ASK),
    "acting": ("◑", BAD),
    "verifying": ("◕", BAD),
    "recovered": ("✔", GOOD),
    "escalated": ("▲", ASK),
    "closed": ("✔", QUIET),
}
