"""Ports of deployments that have no registry or no inference log: everything is ``Absent``, nothing is pretended."""

from datetime import datetime
from typing import NoReturn

from tools.change import Change
from tools.errors import Absent
from tools.records import Comparison, InferenceWindow, ModelState, Recomputed
from tools.tables import Column, Table


def _absent(what: str) -> NoReturn:
    raise Absent(f"no {what} is configured")


class NoRegistry:
    """Implements ``tools.ports.Registry`` where there is none."""

    answers_rows = False

    def model(self, name: str) -> ModelState:
        """Raise ``Absent``."""
        del name
        _absent("model registry")

    def changes(self, since: datetime) -> tuple[Change, ...]:
        """Raise ``Absent``."""
        del since
        _absent("model registry")

    def compare(self, service: str, first: str, second: str, start: datetime, end: datetime) -> Comparison:
        """Raise ``Absent``."""
        del service, first, second, start, end
        _absent("model registry")

    def compare_on(self, first: str, second: str, rows: InferenceWindow) -> Comparison:
        """Raise ``Absent``."""
        del first, second, rows
        _absent("model registry")


class NoLog:
    """Implements ``tools.ports.InferenceLog`` and ``LogTables`` where there is none."""

    def window(
        self, service: str, start: datetime, end: datetime, *, labelled: bool = False, features: bool = True
    ) -> InferenceWindow:
        """Raise ``Absent``."""
        del service, start, end, labelled, features
        _absent("inference log")

    def reference(self, service: str) -> InferenceWindow:
        """Raise ``Absent``."""
        del service
        _absent("inference log")

    def recomputed(self, service: str, start: datetime, end: datetime) -> Recomputed:
        """Raise ``Absent``."""
        del service, start, end
        _absent("inference log")

    def rows(self, service: str, start: datetime, end: datetime) -> Table:
        """Raise ``Absent``."""
        del service, start, end
        _absent("inference log")

    def accepted(self, service: str) -> Table:
        """Raise ``Absent``."""
        del service
        _absent("inference log")

    def again(self, service: str, keys: Column) -> Table:
        """Raise ``Absent``."""
        del service, keys
        _absent("inference log")

    def keys(self, rows: str, column: str) -> Column:
        """Raise ``Absent``."""
        del rows, column
        _absent("inference log")
