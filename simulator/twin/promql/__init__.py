"""PromQL over a columnar store of samples, by Prometheus' own rules.

Law: pure. No clock, no network; what cannot be evaluated is an error in one line, never a guess.
"""
