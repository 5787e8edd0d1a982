"""Writing a file whole."""

from __future__ import annotations

import os
from contextlib import suppress
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
