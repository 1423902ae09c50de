"""Words for the world and ports to it.

Law: imports only ``config``. Nouns and ports are pure; all contact with the outside lives in ``tools.live``. Read ports
and act ports are different types, so that whoever is handed a read port can only read. Failures are values of the
error tree in ``tools.errors``; no data is never zero, and an empty selection is an error, never "everything".
"""
