"""The workflow killed at random moments, started twice, and on a disk that is full or read-only.

Each life of the kill tests is one run from nothing to its end that is killed again and again, each
time gone on with as the README says; it must end with the bytes of an unbroken run. How many kills
there are, and their seed, are set by the environment: ``make test-survival`` has more.
"""

import contextlib
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from checkouts import ENVIRONMENT, call, make_checkout, snakemake

KILLS = int(os.environ.get("SEEWHY_KILLS", "6"))
SEED = int(os.environ.get("SEEWHY_KILL_SEED", "1"))
# What the DVC stage `evaluate`, and all that it needs, makes.
TARGETS = [
    "results/table2.csv",
    *(f"results/figures/{name}.png" for name in ("training", "captions", "puppets")),
    *(f"data/puppets/{world}/truth.h5" for world in ("actions", "grounding", "untrimmed")),
]
SNAKEMAKE = ["snakemake", "--cores", "2", *TARGETS]
DVC = ["dvc", "repro", "evaluate"]
LONGEST = 300  # seconds that any command may take

KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
# Who is struck, by turns, and with what: a job's own process, the command alone, or all of it.
STROKES = [("job", KILL), ("command", KILL), ("all", KILL), ("command", TERM), ("all", INT)]
COMMANDS = {"snakemake": SNAKEMAKE, "dvc": DVC}


def contents(folder):
    """Digest of every output; not of what Snakemake and DVC put beside them."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for part in ("data", "models", "results")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file() and path.name not in (".snakemake_timestamp", ".gitignore")
    }


def finished_contents(folder):
    """The same of what has its final name, however much of the rest is there."""
    found = {}
    for part in ("data", "models", "results"):
        for place, folders, files in os.walk(folder / part):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                path = Path(place, name)
                if not name.startswith("."):
                    try:
                        content = path.read_bytes()
                    except FileNotFoundError:  # a run that still ends has removed it
                        continue
                    found[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return found


def unfinished(folder):
    """Files of unfinished work and of locks."""
    return [path for path in (folder / ".resume").rglob("*") if path.is_file()]


def start(folder, command):
    return subprocess.Popen(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        stdout=open(folder / "output.txt", "w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # Whoever starts the tests in the background may have told them to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def jobs_of(process):
    """Processes of the jobs' scripts."""
    found = []
    try:
        for child in psutil.Process(process.pid).children(recursive=True):
            try:
                if any(".snakemake/scripts/" in word for word in child.cmdline()):
                    found.append(child)
            except psutil.Error:
                continue
    except psutil.Error:
        return []
    return found


def strike(process, whom, with_what, chance):
    """Kill, and name what was killed; None where the run ended first."""
    jobs = jobs_of(process)
    while whom == "job" and not jobs:
        if process.poll() is not None:
            return None
        time.sleep(0.02)
        jobs = jobs_of(process)
    if process.poll() is not None:
        return None
    try:
        if whom == "job":
            job = chance.choice(jobs)
            name = Path(job.cmdline()[-1]).name.split(".")[1]
            job.send_signal(with_what)
            return f"job {name}"
        names = []
        for job in jobs:
            names.append(Path(job.cmdline()[-1]).name.split(".")[1])
    except (psutil.Error, IndexError):
        return strike(process, whom, with_what, chance)  # it ended that very moment
    if whom == "command":
        process.send_signal(with_what)
    else:
        os.killpg(process.pid, with_what)
    return f"{whom}, at work: {', '.join(names) or 'no job'}"


def without(finished, folder, *patterns):
    """A copy of a finished checkout that lacks some outputs."""
    shutil.copytree(finished, folder)
    for pattern in patterns:
        for path in folder.glob(pattern):
            path.unlink()
    return folder


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A checkout in which one run made everything, and what it made."""
    folder = make_checkout(tmp_path_factory.mktemp("unbroken") / "checkout")
    snakemake(folder, *TARGETS)
    assert unfinished(folder) == []
    return folder, contents(folder)


def moments(finished, names, count, chance):
    """What an unbroken run had made last at times drawn at random, in their order; None: nothing.

    Killed after these files, one life mostly has all its kills, however slow the machine is.
    """
    made = sorted(((finished / name).stat().st_mtime, name) for name in names)
    begun = (finished / "params.yaml").stat().st_mtime
    times = sorted(chance.uniform(begun, made[-1][0]) for _ in range(count))
    return [([None] + [name for at, name in made if at <= moment])[-1] for moment in times]


def wait_for(process, file, later):
    """Wait until a file is there (None: not at all), and so many seconds more, or to the end."""
    deadline = time.time() + LONGEST
    while process.poll() is None and file is not None and not file.exists():
        assert time.time() < deadline
        time.sleep(0.02)
    deadline = time.time() + later
    while process.poll() is None and time.time() < deadline:
        time.sleep(0.02)


def begin_life(folder, target):
    make_checkout(folder)
    if target == "dvc":
        call(folder, "git", "init", "-q")


@pytest.mark.slow
@pytest.mark.parametrize("target", COMMANDS)
def test_a_run_killed_at_random_ends_as_an_unbroken_one(unbroken, tmp_path, target):
    finished, expected = unbroken
    kills = max(1, KILLS // len(COMMANDS))
    chance = random.Random(f"{SEED} {target}")
    first = chance.randrange(len(STROKES))
    after = moments(finished, expected, kills, chance)
    done, life = 0, 0
    print(f"{target}: seed {SEED}, {kills} kills")
    while done < kills:
        life += 1
        assert life <= kills + 3, "the kills come too late, or do nothing"
        folder = tmp_path / f"life{life}"
        begin_life(folder, target)
        while True:
            process = start(folder, COMMANDS[target])
            struck = None
            whom, with_what = STROKES[(first + done) % len(STROKES)]
            try:
                if done < kills:
                    file, later = after[done], chance.uniform(0.5, 3)
                    wait_for(process, file and folder / file, later)
                    struck = strike(process, whom, with_what, chance)
                process.wait(LONGEST)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, KILL)
            output = (folder / "output.txt").read_text()
            if (
                "Unable to read RWLock-file" in output
            ):  # DVC writes it in place: cut short by a kill
                (folder / ".dvc/tmp/rwlock").unlink()
                print("  DVC's .dvc/tmp/rwlock was cut short, and is deleted")
                continue
            if struck is None or process.returncode == 0:  # it was done, or as good as done
                assert process.returncode == 0, output
                break
            done += 1
            print(
                f"  life {life}, kill {done}: {with_what.name} {later:.1f} s after "
                f"{file or 'the start'} to {struck}; "
                f"status {process.returncode}, {len(finished_contents(folder))} files"
            )
            for name, digest in finished_contents(folder).items():
                assert expected.get(name) == digest, f"{name} is there, and not whole"
            if whom == "job":
                assert process.returncode == (255 if target == "dvc" else 1), output
                assert "Error in rule" in output or "Error in group" in output, output
            else:
                snakemake(folder, "--unlock")
        assert contents(folder) == expected
        assert unfinished(folder) == []
        print(f"  life {life} ended with the bytes of the unbroken run")


# --- Two runs at once -----------------------------------------------------------------------------


def wait_for_a_job(process):
    deadline = time.time() + LONGEST
    while not (jobs := jobs_of(process)):
        assert process.poll() is None
        assert time.time() < deadline
        time.sleep(0.02)
    return jobs


@pytest.mark.slow
@pytest.mark.parametrize("first", [SNAKEMAKE, DVC], ids=["snakemake", "dvc"])
def test_a_second_run_in_the_same_folder_is_refused(tmp_path, first):
    folder = make_checkout(tmp_path / "checkout")
    call(folder, "git", "init", "-q")
    process = start(folder, first)
    try:
        for job in wait_for_a_job(process):
            job.suspend()  # or the stage may end meanwhile, and DVC refuses whoever comes last
        output = snakemake(folder, *TARGETS, check=False)
        assert "Error: Directory cannot be locked" in output
        assert "It can be removed with the --unlock argument." in output
        if first == DVC:
            output = call(folder, *DVC, check=False)
            assert "is busy, it is being blocked by:" in output
            assert f"(PID {process.pid}): " in output
        assert process.poll() is None
    finally:
        os.killpg(process.pid, KILL)
        process.wait()


@pytest.mark.slow
def test_two_runs_at_once_by_force_spoil_nothing(unbroken, tmp_path):
    """Unlocked though the first run lives: whoever fails, the next run ends with the same bytes."""
    finished, expected = unbroken
    made = ["data/captioning/features/*", "models/captioner/*", "results/captions/*/*"]
    folder = without(finished, tmp_path / "checkout", *made, "results/table2.csv")
    first = start(folder, SNAKEMAKE)
    try:
        wait_for_a_job(first)
        snakemake(folder, "--unlock")
        for _ in range(2):
            snakemake(folder, *TARGETS, check=False)
            for name, digest in finished_contents(folder).items():
                assert expected.get(name) == digest, f"{name} is there, and not whole"
        first.wait(LONGEST)
    finally:
        if first.poll() is None:
            os.killpg(first.pid, KILL)
    snakemake(folder, *TARGETS)
    assert contents(folder) == expected
    assert unfinished(folder) == []


# --- A full disk, a read-only one -----------------------------------------------------------------


@pytest.fixture
def mount():
    """Mount small disks (`remount` with other options): ``mount(folder, "size=500k")``."""
    mounted = []

    def run(folder, options):
        again = "remount," if folder in mounted else ""
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", again + options, "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("only root can mount a small file system")
        if not again:
            mounted.append(folder)

    yield run
    for folder in reversed(mounted):
        subprocess.run(["umount", "-l", str(folder)], check=True)


FEATURES = "data/captioning/features/train.h5"
MODEL = "models/captioner/I-seed0.safetensors"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("full", "target", "named"),
    [
        ("data/captioning/features", FEATURES, FEATURES),
        (".resume", FEATURES, r"\.resume/\w+/data/captioning/features/\.train\.unfinished\.h5"),
        (".resume", MODEL, r"\.resume/\w+/models/captioner/\.I-seed0\.unfinished\.pt"),
        ("models/captioner", MODEL, MODEL),
    ],
)
def test_a_full_disk_is_named_and_what_is_freed_suffices(
    unbroken, tmp_path, mount, full, target, named
):
    finished, expected = unbroken
    folder = without(finished, tmp_path / "checkout", f"{Path(target).parent}/*")
    mount(folder / full, "size=100k")
    (folder / full / "keep").touch()  # Snakemake removes an empty folder
    output = snakemake(folder, target, check=False)
    assert len(re.findall(rf"^error: {named}: no space left on the device", output, re.M)) > 0
    assert "Traceback" not in output
    assert not (folder / target).exists()
    assert [path for path in (folder / full).rglob("*.partial*") if path.is_file()] == []
    mount(folder / full, "size=50m")
    snakemake(folder, target)
    assert contents(folder)[target] == expected[target]
    (folder / full / "keep").unlink()
    assert unfinished(folder) == []


@pytest.mark.slow
def test_a_read_only_folder_is_named_and_left_as_it_is(unbroken, tmp_path, mount):
    finished, expected = unbroken
    folder = without(finished, tmp_path / "checkout")
    shutil.rmtree(folder / "results")
    mount(folder / "results", "size=50m")
    shutil.copytree(finished / "results", folder / "results", dirs_exist_ok=True)
    for name in ("results/table2.csv", "results/captions/scores.csv"):
        (folder / name).unlink()
    before = contents(folder)
    mount(folder / "results", "ro")
    output = snakemake(folder, "results/table2.csv", check=False)
    assert "Read-only file system: 'results/" in output  # Snakemake itself says so
    assert contents(folder) == before
    mount(folder / "results", "rw")
    snakemake(folder, "results/table2.csv")
    assert contents(folder) == expected


def fill(file, but=0):
    """Write a file until the disk is full, but for so many bytes."""
    with open(file, "wb") as out, contextlib.suppress(OSError):
        while True:
            os.write(out.fileno(), bytes(4096))
    os.truncate(file, file.stat().st_size - but)


@pytest.mark.slow
def test_a_disk_on_which_all_lies_fills_up(unbroken, tmp_path, mount):
    """First to the last byte, so that Snakemake cannot begin; then while captioners are trained."""
    finished, expected = unbroken
    disk, folder = tmp_path / "disk", tmp_path / "disk/checkout"
    mount(disk, "size=100m")
    made = [*(f"{part}/captioner/*" for part in ("models", "results/history", "results/captions"))]
    made += ["results/captions/*.csv"]
    without(finished, folder, *made, "results/table2.csv", "results/figures/captions.png")
    whole = finished_contents(folder)
    for but, message in (
        (0, "No space left on device"),
        (240_000, r"error: \.resume/.*: no space"),
    ):
        fill(disk / "fill", but)
        output = snakemake(folder, *TARGETS, check=False)
        assert re.search(message, output), output
        assert finished_contents(folder) == whole
        (disk / "fill").unlink()
    snakemake(folder, *TARGETS)
    assert contents(folder) == expected
    assert unfinished(folder) == []
