"""What can go wrong, and the bounded remedies.

Law: imports only ``tools`` and ``config``. A playbook or a fault is one data file under ``library/`` and no Python.
Everything is pure but the executor, whose effects go through the ``Actuator`` and the ``Journal`` it is handed.
"""
