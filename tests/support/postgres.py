"""A real PostgreSQL for tests: on a free port, in a folder of its own, stopped and started at will."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.servers import free_port


@dataclass(frozen=True)
class Postgres:
    """A cluster; PostgreSQL refuses to be run by root, so root runs it as the user `postgres`."""

    programs: Path
    data: Path
    port: int

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg://mm@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Until it takes connections."""
        options = f"-p {self.port} -k {self.data} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.run("pg_ctl", "-D", str(self.data), "-w", "-l", str(self.data / "log"), "-o", options, "start")

    def stop(self) -> None:
        """At once, as a crash would."""
        self.run("pg_ctl", "-D", str(self.data), "-w", "-m", "immediate", "stop")

    def run(self, program: str, *words: str) -> None:
        """One of PostgreSQL's programs."""
        as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*as_user, str(self.programs / program), *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A fresh cluster that runs; gone afterwards."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.fail("PostgreSQL is missing; on Debian: apt-get install postgresql")
    with TemporaryDirectory() as folder:
        server = Postgres(found[-1].parent, Path(folder) / "data", free_port())
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        server.run("initdb", "-D", str(server.data), "-U", "mm", "-A", "trust", "-N")
        server.start()
        try:
            yield server
        finally:
            if (server.data / "postmaster.pid").exists():
                server.stop()
