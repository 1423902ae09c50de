"""Where a snapshot is shown: a live picture on a terminal, new lines on a pipe. Two faces of one interface."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from agent.casebook import Snapshot
from agent.view.console import console as picture
from agent.view.lines import Seen, new_lines, problem_lines


class Screen(Protocol):
    """Shows snapshots, one after the other."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, whatever happened."""
        ...

    def catch_up(self, snapshot: Snapshot) -> None:
        """Take what is there already as shown: it is no news."""
        ...

    def show(self, snapshot: Snapshot) -> None:
        """Show one more."""
        ...

    def aside(self) -> AbstractContextManager[None]:
        """Lend the terminal to a question."""
        ...


class LivePicture:
    """Draws on the whole terminal, and leaves the last picture behind."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False)
        self._last: Snapshot | None = None

    def __enter__(self) -> Self:
        """Take the terminal."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        self._live.stop()
        if self._last is not None:
            self._console.print(picture(self._last, self._console.width))

    def catch_up(self, snapshot: Snapshot) -> None:
        """A picture shows everything anew."""

    def show(self, snapshot: Snapshot) -> None:
        """Draw one more."""
        self._last = snapshot
        width, height = self._console.size
        self._live.update(picture(snapshot, width, height), refresh=True)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Lend the terminal to a question, under the last picture."""
        self._live.stop()
        if self._last is not None:
            self._console.print(picture(self._last, self._console.width, self._console.height - 2))
        try:
            yield
        finally:
            self._live.start()


class LogLines:
    """Prints what is new."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: Seen = {}
        self._problems: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""

    def catch_up(self, snapshot: Snapshot) -> None:
        """Say in a line what the journal has already: told again, it would raise the alarms that hang on it."""
        _, self._seen = new_lines(snapshot, {})
        if snapshot.cases:
            names = ", ".join(case.incident.id for case in snapshot.cases if case.is_open) or "none"
            self._console.print(
                Text(f"incidents: {len(snapshot.cases)} in the journal already, open: {names}"), soft_wrap=True
            )

    def show(self, snapshot: Snapshot) -> None:
        """Print the lines that are new since the last one."""
        fresh, self._seen = new_lines(snapshot, self._seen)
        for text in (*problem_lines(snapshot, self._problems), *fresh):
            self._console.print(Text(text), soft_wrap=True)
        self._problems = snapshot.problems

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Nothing to lend."""
        yield


def screen(console: Console, *, headless: bool) -> Screen:
    """Return the picture on a terminal, and lines where there is none or none is wanted."""
    return LogLines(console) if headless or not console.is_terminal else LivePicture(console)
