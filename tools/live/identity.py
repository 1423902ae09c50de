"""Who this process is: a name that a restarted process bears again, and no two living ones at one time."""

import fcntl
import hashlib
import os
import socket
from pathlib import Path

_HELD: list[int] = []  # locks live as long as the process


def own_name(lock: Path) -> str:
    """Return a name made of host and file, if the file ``lock`` can be locked: then its earlier bearer is surely dead.

    Otherwise a name with the process's number, that nobody is the successor of.
    """
    name = f"prunella@{socket.gethostname()}/{hashlib.sha256(str(lock.resolve()).encode()).hexdigest()[:6]}"
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return f"{name}#{os.getpid()}"
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return f"{name}#{os.getpid()}"
    _HELD.append(handle)
    return name
