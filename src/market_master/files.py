"""Atomic writes of files and folders, and records of arrays as files."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from market_master.domain import ConfigError, NotWritten

Record = TypeVar("Record")


def write_atomic(file: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never half of it. Raises NotWritten."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except OSError as error:
        raise _not_written(f"{len(content):,} bytes can't be written to {file}", error) from error
    finally:
        with suppress(OSError):
            part.unlink()


def require_empty_folder(folder: Path) -> Path:
    """The absolute path of a folder to be written, asked for before the work begins. Raises ConfigError when it holds something."""
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already and is not an empty folder; name another one with --out.")
    return folder


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, which takes its name when the block is done; cut off before, nothing bears that name.

    Raises NotWritten, also when something else has the name by then.
    """
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        yield part
        part.rename(folder)
    except OSError as error:
        raise NotWritten(
            f"{folder} can't be written: {error.strerror or error}; nothing was left there. Mend that, run again."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def append_atomic(file: Path, content: bytes, *, keep: int | None = None) -> None:
    """Add to a file all of the content or, where that fails, nothing; of what is there only the first `keep` bytes stay.

    All of them unless told. Raises NotWritten, and leaves no empty file where there was none.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        before = keep if keep is not None else file.stat().st_size if file.exists() else 0
        try:
            with file.open("ab") as stream:
                if keep is not None:
                    stream.truncate(keep)
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:  # not before the file is closed, which writes once more what is left in its buffer
            if before:
                os.truncate(file, before)
            else:
                file.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _not_written(f"{len(content):,} bytes can't be added to {file}", error) from error


def to_npz(record: Any) -> bytes:
    """A frozen record of arrays as the content of a compressed .npz file, a column for each field."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{field.name: getattr(record, field.name) for field in fields(record)})
    return buffer.getvalue()


def from_npz(kind: type[Record], file: Path) -> Record:
    """The record in a file. Raises OSError, KeyError or ValueError when it is not there, or is another one's."""
    with np.load(file, allow_pickle=False) as arrays:
        return kind(**{field.name: arrays[field.name] for field in fields(kind)})  # type: ignore[arg-type]


def _not_written(what: str, error: OSError) -> NotWritten:
    return NotWritten(f"{what}: {error.strerror or error}; it is as it was. Mend that, run again.")
