"""May this be done, now, by whom? Pure rules, and the gate that enforces them.

Law: imports only ``playbooks``, ``tools`` and ``config``; never sees an incident, only a ``Situation``. Default deny,
forbid wins, an error is a denial, adding a rule never loosens a decision that a forbid made. No clock, file or client.
"""
