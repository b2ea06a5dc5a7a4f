"""Jobs end with what started them, and keep each other off their outputs, killed or not."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from seewhy.errors import InputError
from seewhy.processes import sole_writer


@contextlib.contextmanager
def started(folder, code, *arguments, through=()):
    """A process of `code` that has said a line, and that line."""
    script = folder / "script.py"
    script.write_text(code)
    process = subprocess.Popen(
        [*through, sys.executable, str(script), *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process, process.stdout.readline().strip()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_alive(pid):
    """Whether a process runs; one that is dead and only not yet buried does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(pids, seconds=10):
    deadline = time.time() + seconds
    while (left := [pid for pid in pids if is_alive(pid)]) and time.time() < deadline:
        time.sleep(0.05)
    return not left


JOB = """
import os, time
from seewhy.processes import end_with_parent
end_with_parent()
print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_a_job_ends_with_what_started_it(tmp_path):
    through = ("sh", "-c", '"$@"; true', "sh")  # a shell that stays between
    with started(tmp_path, JOB, through=through) as (shell, line):
        assert int(line) != shell.pid
        time.sleep(0.5)
        assert is_alive(int(line))
        shell.kill()
        assert ends([int(line)])


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_workers_end_with_a_process_that_is_killed(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import os, time\ndef work(item):\n    time.sleep(0.2)\n    return os.getpid()\n"
    )
    code = (
        "from slow import work\n"
        "from seewhy.worlds.pool import in_order\n"
        "for pid in in_order(work, range(1000), 2):\n"
        "    print(pid, flush=True)\n"
    )
    with started(tmp_path, code) as (process, line):
        workers = {int(line)}
        while len(workers) < 2:
            workers.add(int(process.stdout.readline()))
        assert all(map(is_alive, workers))
        process.kill()
        assert ends(workers)


HOLDER = """
import logging, sys, time
from seewhy.processes import sole_writer
logging.basicConfig(format="%(message)s", stream=sys.stdout)
with sole_writer("data/x.h5", "locks"):
    print("begun", flush=True)
    time.sleep(float(sys.argv[1]))
    print("done", flush=True)
"""


def test_a_second_writer_waits_and_says_for_whom(tmp_path):
    with started(tmp_path, HOLDER, "60") as (first, line):
        assert line == "begun"
        with started(tmp_path, HOLDER, "0") as (second, line):
            assert line.startswith(f"data/x.h5: process {first.pid} on ")
            assert "is at work on it; this job begins when that one ends" in line
            time.sleep(0.3)
            assert second.poll() is None
            first.kill()
            assert second.communicate(timeout=20)[0].split() == ["begun", "done"]
    assert list((tmp_path / "locks").iterdir()) == []


def test_writers_of_other_outputs_do_not_wait(tmp_path):
    with sole_writer("a/x.h5", tmp_path), sole_writer("b/x.h5", tmp_path):
        assert len(list(tmp_path.iterdir())) == 2
    assert list(tmp_path.iterdir()) == []


COUNTER = """
import sys
from pathlib import Path
from seewhy.processes import sole_writer
print("ready", flush=True)
for _ in range(200):
    with sole_writer("counter", "locks"):
        count = int(Path("counter").read_text())
        Path("counter").write_text(str(count + 1))
"""


def test_writers_that_come_and_go_are_never_two_at_once(tmp_path):
    """The lock's file is removed by whoever had it: others may have opened it by then."""
    (tmp_path / "counter").write_text("0")
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(started(tmp_path, COUNTER))[0] for _ in range(3)]
        errors = [writer.communicate(timeout=60)[1] for writer in writers]
    assert (tmp_path / "counter").read_text() == "600", errors


def test_a_full_disk_needs_no_room_for_a_lock(small_disk):
    (small_disk / "locks").mkdir()
    with contextlib.suppress(OSError), open(small_disk / "fill", "wb") as file:
        while True:
            file.write(b"x" * 4096)
    with sole_writer("x", small_disk / "locks"):
        pass
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with (
        pytest.raises(InputError, match=r"x\.lock: cannot be written \(Read-only file system\)"),
        sole_writer("x", small_disk / "locks"),
    ):
        pass
