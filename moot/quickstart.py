"""Imports msgspec without `typing_extensions`, for a server that is up at once. Must be imported before msgspec is.

msgspec takes three names from `typing_extensions` when it is there and from `typing` when not; since Python 3.11 they
are the same, but importing the former costs every one of the server's processes some 50 ms of CPU.
"""

import sys

if "msgspec" not in sys.modules and "typing_extensions" not in sys.modules:
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # "not there", to the import system
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]
