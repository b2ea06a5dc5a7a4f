"""Snakemake and its jobs as forks of a Python that has PyTorch, pandas and Snakemake in it already.

A job of a tiny run computes for a second, after it has imported for four. What is imported here is
all from elsewhere: each fork imports its own checkout's package, in its own folder, environment and
process. What forks cannot show (kills, what is set before PyTorch is loaded, other environments) is
tried with jobs from nothing, in test_survival.py, test_own_source.py and test_conda.py.
"""

import atexit
import contextlib
import functools
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

IMPORTED = (
    "snakemake.cli",
    "snakemake.script",
    "torch",
    "torch._dynamo",
    "pandas",
    "numpy",
    "h5py",
    "yaml",
    "PIL.Image",
    "tqdm",
)
# In the place of a program: it asks the server for a fork, and ends as that one ends.
CLIENT = """#!{python} -IS
import json, os, socket, sys
script = {script!r}
argv = [script, *sys.argv[1:]] if script else sys.argv[1:]
if not argv or argv[0].startswith("-"):
    os.execv({python!r}, [{python!r}, *argv])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    wish = json.dumps([argv, os.getcwd(), dict(os.environ)]).encode("utf-8")
    socket.send_fds(server, [len(wish).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(wish)
    sys.exit(int.from_bytes(server.recv(1) or b"\\1", "big"))
"""
SNAKEMAKE = """
import sys
sys.executable = {client!r}  # runs the jobs
sys.argv[0] = "snakemake"
from snakemake.cli import main
sys.exit(main())
"""


@functools.cache
def programs():
    """A folder with that `snakemake` in it, for the PATH; served as long as this process lives."""
    folder = Path(tempfile.mkdtemp(prefix="preloaded"))
    python, address, main = (str(folder / name) for name in ("python", "socket", "main.py"))
    (folder / "main.py").write_text(SNAKEMAKE.format(client=python))
    for name, script in (("python", None), ("snakemake", main)):
        text = CLIENT.format(python=sys.executable, script=script, address=address)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    server = subprocess.Popen(
        [sys.executable, __file__, address],
        env=environment | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout.readline() == b"ready\n"
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.stdin.close)
    return folder


def serve(address):
    """Fork for each client until standard input ends."""
    for name in IMPORTED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            client, _ = listener.accept()
            if not os.fork():
                listener.close()
                attend(client)
            client.close()


def attend(client):
    """Start what a client wishes; tell it the status, or end it where the client is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, streams, _, _ = socket.recv_fds(client, 8, 3)
    left, wish = int.from_bytes(head, "big"), b""
    while len(wish) < left:
        wish += client.recv(left - len(wish))
    job = os.fork()
    if not job:
        client.close()
        become(streams, *json.loads(wish))
    for stream in streams:
        os.close(stream)
    ended = os.pidfd_open(job)
    ready, _, _ = select.select([ended, client], [], [])
    if ended not in ready:
        os.kill(job, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(job, 0)[1])
    with contextlib.suppress(OSError):
        client.sendall(bytes([code if code >= 0 else 128 - code]))
    os._exit(0)


def become(streams, argv, folder, environment):
    """Run a script as Python would from nothing, and end."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    first = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [os.path.dirname(os.path.abspath(argv[0])), *filter(None, first)]
    sys.argv[:] = argv
    sys.stdin, sys.stdout, sys.stderr = (open(n, mode) for n, mode in enumerate("rww"))  # noqa: SIM115
    code = 0
    try:
        runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    with contextlib.suppress(BaseException):
        threading._shutdown()
        atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
