"""The lab: a real control plane, a real Prometheus and real model servers on this machine.

Law: nothing here knows how the controller works, and the controller knows nothing of what is here.
"""
