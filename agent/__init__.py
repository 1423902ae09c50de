"""Observe, reason, decide, act, verify, learn: the graph of agents, the daemon and its faces.

Law: imports nothing of ``simulator``. Models and reasoning are pure; ``agent.wiring`` alone names ``tools.live``.
State is a fold over the journal. A graph node that interrupts has no other effect.
"""
