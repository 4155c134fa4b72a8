"""A file system over the usual one, for SQLite, that hears of each write and sync before it is done."""

from abc import ABC, abstractmethod

import apsw


class Heard(apsw.VFS, ABC):
    """Subclasses say in `before` what comes of it."""

    def __init__(self, name: str, *, default: bool = False) -> None:
        self.name = name
        self.base = apsw.vfs_names()[0]
        super().__init__(name, self.base, makedefault=default)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _File(self, name, flags)

    @abstractmethod
    def before(self, what: str, file: str) -> None:
        """``what``: "write" or "sync"; ``file``: the end of its name, "db" or "db-wal". What is raised fails it."""


class _File(apsw.VFSFile):
    def __init__(self, disk: Heard, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        self._kind = path.rpartition(".")[2]
        super().__init__(disk.base, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.before("write", self._kind)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._disk.before("sync", self._kind)
        super().xSync(flags)
