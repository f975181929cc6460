"""Files of results: written whole or not at all, as private as their folder, and read without waiting for anybody."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.model.errors import StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

READ_BYTES = 2_000_000_000
"""No file of a run is larger."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
_CREATE = os.O_WRONLY | os.O_CREAT
_READ_WRITE, _ALL, _OWNER = 0o666, 0o777, 0o700


@contextmanager
def writing(results: Path) -> Iterator[None]:
    """Turn an `OSError` in the block into a `UsageError` that names the folder for results."""
    try:
        yield
    except OSError as error:
        found = f"{results} ({error.strerror})"
        raise UsageError(f"--out: expected a folder that can be written to, found {found}") from error


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn an `OSError` in the block into a `StorageError` that names the file and the reason."""
    try:
        yield
    except OSError as error:
        removed = isinstance(error, FileNotFoundError) and not path.parent.exists()
        found = "its folder removed" if removed else f"{error.strerror}"
        raise StorageError(f"expected to write {path}, found {found}") from error


@contextmanager
def telling_of_full_disks() -> Iterator[None]:
    """Turn an `OSError` in the block that means a full disk into a `StorageError`: temporary files need room too."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        where = error.filename or tempfile.gettempdir()
        raise StorageError(f"expected to write {where}, found {error.strerror}") from error


def open_new(path: Path, *, append: bool = False) -> BinaryIO:
    """Open a file for writing, as private as its folder; an earlier one is emptied, or continued with `append`."""
    mode = path.parent.stat().st_mode & _READ_WRITE
    return os.fdopen(os.open(path, _CREATE | (os.O_APPEND if append else os.O_TRUNC), mode), "wb")


def make_new_folder(path: Path, *, private: bool = False) -> Path:
    """Make a folder that was not there, if it is `private` for its owner only, and return its path.

    Its name has a number if there is one of that name: two commands that start in the same second get one each.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    made, number = path, 1
    while True:
        try:
            made.mkdir(mode=_OWNER if private else _ALL)
        except FileExistsError:
            number += 1
            made = path.with_name(f"{path.name}-{number}")
        else:
            return made


def make_folder(path: Path) -> None:
    """Make a folder, unless it is there, as private as the one that it lies in; raises `StorageError`."""
    with storing(path):
        path.mkdir(mode=path.parent.stat().st_mode & _ALL, exist_ok=True)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file beside `path`, to the disk, and rename it: at any moment there is the old file or the new one.

    Raises `StorageError`; the old file is still there then.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with storing(path):
        try:
            with open_new(beside) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Write a line to the end of a file, and to the disk; raises `StorageError`."""
    with storing(path), open_new(path, append=True) as file:
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_file(path: Path) -> bytes:
    """Read a file of results; raises `UsageError` for one that cannot be read, and `FileNotFoundError` for none.

    It never waits: a pipe in place of the file is refused.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise UsageError(f"{path}: expected a file, found something else")
            if found.st_size > READ_BYTES:
                raise UsageError(f"{path}: expected at most {READ_BYTES:,} bytes, found {found.st_size:,}")
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except OSError as error:
        raise UsageError(f"{path}: expected a readable file, found that {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
