"""What people see: the live terminal view, log lines, the case as Markdown.

Law: renders values and decides nothing.
"""
