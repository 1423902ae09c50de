"""Eyes: streaming detection over many series at once, on arrays.

Law: pure and columnar. A detector advances every series in one step, sees only the past, holds its state in arrays
whose last axis is the series, and draws nothing at random; clocks, files and clients stay outside.
"""
