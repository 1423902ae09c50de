"""Values are said with the unit of their signal, and foreign errors with their reason."""

import pytest

from tools.figure import NO_DATA, beside, figure
from tools.live.saying import LONGEST, one_line


@pytest.mark.parametrize(
    ("signal", "value", "said"),
    [
        ("ttft_p95", 0.41, "410ms"),
        ("error_ratio", 0.0892, "8.92%"),
        ("answer_length", 26.38, "26.38 tokens"),
        ("requests", 5.402, "5.402/s"),
        ("waiting", 403.4, "403.4"),
        ("nobody_knows", 0.5, "0.5"),
        ("requests", None, NO_DATA),
    ],
)
def test_a_value_has_its_unit(signal: str, value: float | None, said: str) -> None:
    assert figure(signal, value) == said


def test_two_values_are_told_beside_each_other() -> None:
    assert beside("prompt_length", 1834.2, "before", 2040.0) == "1834 tokens, before 2040 tokens"


def test_a_long_error_keeps_its_reason() -> None:
    text = f"HTTPConnectionPool(host='a', port=1): {'x' * 400} (Caused by:\n Connection refused)"
    said = one_line(ValueError(text))
    assert said.startswith("HTTPConnectionPool(host='a', port=1)")
    assert said.endswith("(Caused by: Connection refused)")
    assert len(said) <= LONGEST
    assert one_line(OSError("a\n b")) == "a b"


def test_of_a_wrapped_error_the_reason_is_said() -> None:
    inner = OSError("outer")
    inner.reason = "Connection refused"  # type: ignore[attr-defined]
    assert one_line(OSError(inner)) == "Connection refused"
