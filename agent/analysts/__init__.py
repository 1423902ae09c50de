"""The analysts: each brings evidence for and against, of one field.

Law: an analyst is a pure function from what was read to a tuple of ``Evidence``. It neither ranks faults nor proposes
remedies, and it never treats NO DATA as good news.
"""
