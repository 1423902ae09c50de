"""What engines and drivers raise, as our own tree of errors: one line that says what is wrong, without passwords."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tools.errors import Absent, Malformed, Refused, ToolError


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Turn what Ibis, its engines and Arrow raise into the error tree; the first line says what is wrong."""
    import duckdb
    import ibis
    import pyarrow as pa

    try:
        yield
    except ToolError:
        raise
    except (FileNotFoundError, ibis.common.exceptions.TableNotFound) as error:
        raise Absent(f"no table at {_unsigned(address)}: {_line(error)}") from error
    except duckdb.IOException as error:
        raise Absent(f"cannot read {_unsigned(address)}: {_line(error)}") from error
    except (duckdb.Error, pa.ArrowException, ibis.common.exceptions.IbisError, UnicodeDecodeError) as error:
        raise Malformed(f"cannot read {_unsigned(address)}: {_line(error)}") from error
    except (ImportError, ValueError, NotImplementedError) as error:
        raise Refused(f"cannot open {_unsigned(address)}: {_refused(address, error)}") from error
    except Exception as error:
        if any(kind.__name__ == "Error" for kind in type(error).__mro__):  # so every driver roots its own (PEP 249)
            raise Absent(f"cannot read {_unsigned(address)}: {_line(error)}") from error
        raise


def _refused(address: str, error: Exception) -> str:
    engine = address.partition("://")[0]
    return f"it needs pip install 'ibis-framework[{engine}]'" if isinstance(error, ImportError) else _line(error)


def _unsigned(address: str) -> str:
    """Return an address without the password in it."""
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1@", address)


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
