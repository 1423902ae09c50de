"""What a foreign error says, in one line of bearable length that keeps its reason, which often stands at its end."""

LONGEST = 240  # characters


def one_line(error: object) -> str:
    """Return it; of a failed connection the innermost reason, which requests wraps; of a long line both ends.

    >>> one_line("host=a, port=1: " + "x" * 400 + " (Caused by: connection refused)")[-31:]
    '(Caused by: connection refused)'
    """
    wrapped = next(iter(getattr(error, "args", ())), error)
    text = " ".join(str(getattr(wrapped, "reason", None) or error).split())
    if len(text) <= LONGEST:
        return text
    half = (LONGEST - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"
