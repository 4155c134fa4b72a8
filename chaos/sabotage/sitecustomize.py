"""Imported by every Python process that has this directory on PYTHONPATH: a disk that fails on command.

While the file named by `CHAOS_DISK` exists, every sync or write of SQLite in this process fails as the word in that
file says: `fsync` (syncs fail), `write` (writes fail), `full` (no space) or `readonly`. The product has no hook for it:
the two functions are replaced in SQLite's own table of what can be done with a file. A layer written in Python with
apsw would not do, for its exceptions also come out where SQLite passes over an error on purpose, as in a checkpoint
after a commit; the commit would look as if it had failed.
"""

import os

_FLAG = os.environ.get("CHAOS_DISK")

if _FLAG:
    import ctypes
    import mmap
    import tempfile
    from pathlib import Path
    from typing import Any

    import apsw

    # struct sqlite3_io_methods { int iVersion; xClose; xRead; xWrite; xTruncate; xSync; ... }, each a pointer
    _WRITE_AT, _SYNC_AT = 24, 40
    _Write = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
    _Sync = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
    _ERRORS = {
        "write": apsw.SQLITE_IOERR_WRITE,
        "full": apsw.SQLITE_FULL,
        "readonly": apsw.SQLITE_READONLY,
    }
    _kept: list[Any] = []  # callbacks that SQLite calls as long as the process lives

    def _word() -> str:
        assert _FLAG
        try:
            return Path(_FLAG).read_text()
        except FileNotFoundError:
            return ""

    def _sabotage(db: apsw.Connection, which: int) -> None:
        """Replace the functions for all files of one sort: SQLite has a table for each."""
        file = ctypes.c_void_p()
        if not db.file_control("main", which, ctypes.addressof(file)) or not file.value:
            raise RuntimeError("SQLite does not tell where its file is")
        table = ctypes.c_void_p.from_address(file.value).value or 0
        page = table - table % mmap.PAGESIZE
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(2 * mmap.PAGESIZE), 3):  # PROT_READ | PROT_WRITE
            raise OSError(ctypes.get_errno(), "cannot make the table writable")
        write_slot, sync_slot = (ctypes.c_void_p.from_address(table + at) for at in (_WRITE_AT, _SYNC_AT))
        write, sync = _Write(write_slot.value or 0), _Sync(sync_slot.value or 0)

        def failing_write(file: int, data: int, size: int, offset: int) -> int:
            return _ERRORS.get(_word()) or int(write(file, data, size, offset))

        def failing_sync(file: int, flags: int) -> int:
            return apsw.SQLITE_IOERR_FSYNC if _word() == "fsync" else int(sync(file, flags))

        ours = _Write(failing_write), _Sync(failing_sync)
        _kept.extend(ours)
        write_slot.value = ctypes.cast(ours[0], ctypes.c_void_p).value
        sync_slot.value = ctypes.cast(ours[1], ctypes.c_void_p).value

    with tempfile.TemporaryDirectory() as _place:
        _scratch = apsw.Connection(f"{_place}/scratch.db")
        _scratch.pragma("journal_mode", "WAL")
        _scratch.execute("CREATE TABLE scratch (x)")
        _sabotage(_scratch, apsw.SQLITE_FCNTL_FILE_POINTER)
        _sabotage(_scratch, apsw.SQLITE_FCNTL_JOURNAL_POINTER)
        _scratch.close()
