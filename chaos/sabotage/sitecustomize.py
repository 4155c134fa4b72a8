"""Imported by every Python process that has this directory on PYTHONPATH: a disk that fails on command.

While the file named by `CHAOS_DISK` exists, every write or sync of SQLite in this process fails as the word in
that file says: `fsync` (syncs fail), `write` (writes fail), `full` (no space) or `readonly`. The product has no hook
for it; it opens its log on SQLite's default layer, which this one becomes.
"""

import os
from pathlib import Path

_FLAG = os.environ.get("CHAOS_DISK")

if _FLAG:
    import apsw

    _BELOW = apsw.vfs_names()[0]  # the default so far

    class _File(apsw.VFSFile):
        def xSync(self, flags: int) -> None:
            if _word() == "fsync":
                raise _failed(apsw.IOError, apsw.SQLITE_IOERR_FSYNC)
            super().xSync(flags)

        def xWrite(self, data: bytes, offset: int) -> None:
            match _word():
                case "write":
                    raise _failed(apsw.IOError, apsw.SQLITE_IOERR_WRITE)
                case "full":
                    raise _failed(apsw.FullError, apsw.SQLITE_FULL)
                case "readonly":
                    raise _failed(apsw.ReadOnlyError, apsw.SQLITE_READONLY)
            super().xWrite(data, offset)

    class _Disk(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("chaos", _BELOW, makedefault=True)

        def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
            return _File(_BELOW, name, flags)

    def _word() -> str:
        assert _FLAG
        try:
            return Path(_FLAG).read_text()
        except FileNotFoundError:
            return ""

    def _failed(kind: type[apsw.Error], code: int) -> apsw.Error:
        error = kind("made to fail by the test")
        error.extendedresult = code  # type: ignore[attr-defined]
        return error

    _DISK = _Disk()  # kept: SQLite has no reference of its own
