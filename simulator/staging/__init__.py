"""Drills against a real cluster: faults that can be taken back, put in with consent, undone by somebody independent.

Law: denied unless the configuration, the cluster itself and a named person all say yes. Nothing is put in whose way
back is not written on the very object that it changes. The reverter needs neither Prunella, nor journal, nor driller.
"""
