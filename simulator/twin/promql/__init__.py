"""PromQL over a columnar store of samples, by Prometheus' own rules. Pure: no clock, no network."""
