"""The one door: adapters to the real world.

Law: the only package that names a client library. Nobody imports it but the composition root (``agent.wiring``) and
tests. Each adapter implements one port of ``tools.ports``, imports its client lazily, sets a time limit on every call
and translates foreign exceptions into ``tools.errors``.
"""
