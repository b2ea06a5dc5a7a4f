"""Jobs that end with what started them, and of which no two write the same output at once.

A workflow that is killed at once (``kill -9``, a machine short of memory) leaves the jobs that it
started running, and on a cluster jobs outlive it by design. The next run starts the same jobs
anew; two writers of one unfinished file would spoil it, and a late one would put an output of
earlier settings in the place of the new.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from seewhy.errors import explain_write_errors

log = logging.getLogger(__name__)

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


def end_with_parent(every: float = 0.2) -> None:
    """From now on, end this process at once when the one that started it is gone.

    What is written stays as a kill would leave it, for the next run to take up.

    Args:
        every: seconds between two looks.
    """
    threading.Thread(target=_watch, args=(os.getppid(), every), daemon=True).start()


def _watch(parent: int, every: float) -> None:
    while os.getppid() == parent:
        time.sleep(every)
    log.error("what started this job is gone: it ends; the next run takes it up")
    os._exit(1)


@contextlib.contextmanager
def sole_writer(output: str | Path, folder: str | Path) -> Iterator[None]:
    """Keep every other process that asks for the same away from a job's outputs.

    Where another has them, wait until it is done or dead; a line in the log names it. The lock is
    the kernel's, so it ends with its process, however that ends. File systems without locks have
    none.

    Args:
        output: the first output of the job.
        folder: where the locks are, one file for each job that runs.

    Raises:
        InputError: the folder cannot be written.
    """
    path = Path(folder, str(output).replace(os.sep, "_") + ".lock")
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _lock(path, output)
    try:
        with contextlib.suppress(OSError):  # a full disk: the name is for the message alone
            os.ftruncate(file, 0)
            os.write(file, f"{os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def _lock(path: Path, output: str | Path) -> int:
    """Descriptor of the locked file."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _wait(file, output)
        except BaseException:
            os.close(file)
            raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), os.stat(path)):
                return file
        os.close(file)  # whoever had it has removed it meanwhile


def _wait(file: int, output: str | Path) -> None:
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning(
                "%s: process %s, of another run, is at work on it; this job begins when that one "
                "ends (kill it if you need not wait)",
                output,
                os.pread(file, 100, 0).decode() or "(unknown)",
            )
            fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
