"""How reads are tried again: bounded in number and in time, and only what may pass by itself."""

import logging
from collections.abc import Callable
from typing import TypeVar

from tools.errors import Transient

T = TypeVar("T")
_log = logging.getLogger("prunella.live")


def again(read: Callable[[], T], seconds: float, tries: int = 3) -> T:
    """Return what ``read`` returns, trying at most ``tries`` times; no new try begins after ``seconds``.

    Never for effects: those are asked about before they are repeated.
    """
    import tenacity

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Transient),
        stop=tenacity.stop_after_attempt(tries) | tenacity.stop_before_delay(seconds),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=1.0),
        before_sleep=tenacity.before_sleep_log(_log, logging.INFO),
        reraise=True,
    )
    return retrying(read)
