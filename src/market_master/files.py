"""Writing a file, or a folder of them, whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from market_master.domain.errors import NotWritten


def write_whole(file: Path, content: bytes) -> None:
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
        raise NotWritten(
            f"{len(content):,} bytes can't be written to {file}: {error.strerror or error}; it is as it was. Mend that, run again."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
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
