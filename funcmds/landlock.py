"""Landlock, the kernel's own sandbox for unprivileged processes, by its three system calls. Linux 5.13 and later.

No package on PyPI wraps it in a stable release. What is restricted stays so for the process and all its children.
"""

import ctypes
import os
from collections.abc import Iterable
from typing import Final

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_RULE_PATH_BENEATH: Final = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FS_BITS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # kinds of access to files, by version of the interface
_NET: Final = 0b11  # TCP bind and connect, since version 4
_SCOPED: Final = 0b11  # abstract sockets and signals to the outside, since version 6


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("fd", ctypes.c_int32))


_libc: Final = ctypes.CDLL(None, use_errno=True)


def _syscall(number: int, *args: object) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *args))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def version() -> int:
    """Return the kernel's version of the interface. Raises `OSError` when it has none."""
    return _syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))


def restrict(readable: Iterable[str] = ()) -> None:
    """Deny this process files, TCP and signals to others, but for reading below ``readable``. Raises `OSError`.

    Needs no-new-privs or CAP_SYS_ADMIN. Paths that do not exist are left out. Open descriptors stay usable.
    """
    abi = version()
    attr = _Ruleset((1 << _FS_BITS.get(abi, 16)) - 1, _NET if abi >= 4 else 0, _SCOPED if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = _syscall(_CREATE_RULESET, ctypes.byref(attr), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        for path in readable:
            _allow_reading(ruleset, path)
        _syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _allow_reading(ruleset: int, path: str) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        access = _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0)
        rule = _PathBeneath(access, fd)
        _syscall(
            _ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_RULE_PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0)
        )
    finally:
        os.close(fd)
