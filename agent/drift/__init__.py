"""What moved between two tables of inferences: drift, data quality, model quality.

Law: pure. Arrays and values in, frozen values out; no client, clock, file or unseeded random source. Tables are read
through the port ``tools.tables.Table`` alone, and only counts, samples and single columns are asked of it.
"""
