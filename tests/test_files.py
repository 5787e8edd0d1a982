"""A file that is added to holds all of what was added, or is as it was."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from market_master.domain.errors import NotWritten
from market_master.files import append_atomic


def _full(_: int) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_is_added_comes_behind_what_is_kept(tmp_path: Path) -> None:
    """All that is there stays unless told; the folder is made where there is none."""
    file = tmp_path / "new" / "lines"
    append_atomic(file, b"one\n")
    append_atomic(file, b"two\nhal")
    append_atomic(file, b"three\n", keep=8)
    assert file.read_bytes() == b"one\ntwo\nthree\n"


def test_on_a_full_disk_nothing_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there is there still, without the half that was not kept; where nothing was there is no empty file."""
    file, new = tmp_path / "lines", tmp_path / "none"
    file.write_bytes(b"one\nhal")
    monkeypatch.setattr(os, "fsync", _full)
    with pytest.raises(NotWritten, match=r"4 bytes can't be added to .*lines: No space left"):
        append_atomic(file, b"two\n")
    assert file.read_bytes() == b"one\nhal"
    with pytest.raises(NotWritten):
        append_atomic(file, b"two\n", keep=4)
    assert file.read_bytes() == b"one\n"
    with pytest.raises(NotWritten):
        append_atomic(new, b"one\n")
    assert not new.exists()


def test_a_folder_that_can_not_be_made_is_an_error_of_its_own_kind(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").touch()
    with pytest.raises(NotWritten, match=r"Not a directory|exists"):
        append_atomic(tmp_path / "file" / "lines", b"one\n")
