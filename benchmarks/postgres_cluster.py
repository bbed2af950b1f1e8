"""A real PostgreSQL of one's own, for tests and benchmarks, without a network port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

SERVER_USER = "postgres"  # the server refuses to run as root
START_SECONDS = 60.0


def find_binaries() -> Path | None:
    """Returns the directory with initdb and pg_ctl, where PostgreSQL is installed."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))  # Debian keeps it off the PATH
    found = installed[-1] if installed else shutil.which("pg_ctl")
    return None if found is None else Path(found).parent


class PostgresCluster:
    """One server over a temporary directory; it can be killed and started again."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._root = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._data = str(self._root / "data")
        self._numbers = count()
        if os.getuid() == 0:
            shutil.chown(self._root, SERVER_USER, SERVER_USER)
        try:
            trusted = ("-U", SERVER_USER, "--auth=trust", "-E", "UTF8")
            self._run("initdb", "-D", self._data, "--no-sync", *trusted)
            self.start()
        except RuntimeError:
            shutil.rmtree(self._root)
            raise

    def create_database(self) -> str:
        """Makes an empty database and returns its URL."""
        name = f"events_{next(self._numbers)}"
        self._run("createdb", "-h", str(self._root), "-U", SERVER_USER, name)
        return f"postgresql://{SERVER_USER}@/{name}?host={self._root}"

    def start(self) -> None:
        """Starts the server, and waits until it has recovered."""
        # No flush: what is written outlives a kill of the processes, which is all that happens to it here.
        socket_only = f"-k {self._root} -c listen_addresses='' -c shared_buffers=16MB -c fsync=off"
        log = str(self._root / "log")
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._run("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", socket_only, "start")
            except RuntimeError:  # the children of a killed server take a moment to see it
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def crash(self) -> None:
        """Ends every process at once, without a checkpoint: the next start recovers."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def kill(self) -> None:
        """Sends SIGKILL to the server; its children end when they see that it is gone."""
        postmaster = int((self._root / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)

    def remove(self) -> None:
        """Ends the server and deletes its directory."""
        try:
            self.crash()
        finally:
            shutil.rmtree(self._root, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        user = SERVER_USER if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        done = subprocess.run(  # noqa: S603 (PostgreSQL's own programs)
            [str(self._binaries / program), *arguments],
            user=user if os.getuid() == 0 else None,
            cwd=self._root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr}")
