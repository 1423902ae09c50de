"""The ground: what we guard and how. Typed settings and the fleet's description.

Law: imports nothing of ours. Values only; reading a file happens in ``config.load`` and nowhere else, and only the
wiring calls it. Every field says its unit, its default and why. No environment variable is read at import.
"""
