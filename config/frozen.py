"""The base of every value: frozen, exact, and round-tripping through JSON."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value: a change of state is a new value; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
