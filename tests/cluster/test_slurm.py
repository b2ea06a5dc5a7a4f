"""Table 2 through a real Slurm, by the profile that is shipped: a cancelled job, a killed node."""

import os
import re
import shutil
import signal
import subprocess

import pytest
from checkouts import ENVIRONMENT, call, make_checkout

TABLE = "results/table2.csv"
MODEL = "models/captioner/I-seed0.safetensors"
PROFILE = ("--workflow-profile", "profiles/slurm")
QUICK = (
    *("--jobs", "4", "--max-threads", "2"),
    *("--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2"),
)


class Run:
    """Snakemake as a user starts it on the head node, with its output in a file."""

    def __init__(self, folder, *arguments):
        self.log = folder / "snakemake.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                ["snakemake", *PROFILE, *QUICK, *arguments],
                cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def until_running(self, cluster, rule):
        """Wait until Slurm runs a job of the rule; give it."""
        found = []

        def there():
            assert self.process.poll() is None, self.log.read_text()
            found[:] = [j for j in jobs_of(cluster, rule) if j["JobState"] == "RUNNING"]
            return found

        cluster.wait_for(there, f"a job of {rule}", seconds=300)
        return found[0]

    def end(self):
        code = self.process.wait(timeout=600)
        return code, self.log.read_text()


def jobs_of(cluster, rule):
    """Slurm's jobs of a rule, the oldest first."""
    found = [j for j in cluster.jobs() if re.match(rf"rule_{rule}(_wildcards|$)", j["Comment"])]
    return sorted(found, key=lambda job: int(job["JobId"]))


@pytest.fixture(scope="module")
def finished(cluster, tmp_path_factory):
    """Table 2 made through Slurm, though a job was cancelled and a node lost on the way."""
    folder = make_checkout(tmp_path_factory.mktemp("slurm") / "checkout")
    run = Run(folder, TABLE)
    cancelled = run.until_running(cluster, "train_backbone")
    subprocess.run(["scancel", cancelled["JobId"]], check=True)
    lost = run.until_running(cluster, "train_captioner")
    cluster.kill_node(lost["NodeList"])
    is_requeued = lambda: int(job(cluster, lost["JobId"])["Restarts"])  # noqa: E731
    cluster.wait_for(is_requeued, f"requeueing of job {lost['JobId']}", seconds=120)
    cluster.start_node(lost["NodeList"])
    code, log = run.end()
    assert code == 0, log
    return folder, cancelled["JobId"], lost["JobId"]


def job(cluster, number):
    return next(job for job in cluster.jobs() if job["JobId"] == number)


def test_the_table_is_that_of_a_run_on_one_machine(finished, local):
    folder, _, _ = finished
    for name in (TABLE, MODEL, "data/captioning/features/train.h5"):
        assert (folder / name).read_bytes() == (local / name).read_bytes(), name


def test_a_cancelled_job_is_tried_again_with_more_memory(finished, cluster):
    _, cancelled, _ = finished
    first, second = jobs_of(cluster, "train_backbone")
    assert first["JobId"] == cancelled
    assert [first["JobState"], second["JobState"]] == ["CANCELLED", "COMPLETED"]
    assert [first["MinMemoryNode"], second["MinMemoryNode"]] == ["6000M", "12000M"]
    assert [first["TimeLimit"], second["TimeLimit"]] == ["02:00:00", "04:00:00"]


def test_a_job_of_a_lost_node_is_requeued(finished, cluster):
    _, _, lost = finished
    again = job(cluster, lost)
    assert [again["JobState"], again["Restarts"]] == ["COMPLETED", "1"]


def test_gpu_rules_ask_for_a_gpu_and_no_others(finished, cluster):
    asked = {"train_backbone", "extract_features", "train_captioner", "captions_caption_clips"}
    for rule in asked:
        for one in jobs_of(cluster, rule):
            assert (one["Partition"], one.get("TresPerJob")) == ("gpu", "gres:gpu:1"), rule
    for rule in ("render_puppets", "import_corpus", "sample_frames", "score_captions"):
        for one in jobs_of(cluster, rule):
            assert (one["Partition"], one.get("TresPerJob")) == ("cpu", None), rule


def test_small_jobs_share_one(finished, cluster):
    assert len(jobs_of(cluster, "captions_caption_clips")) == 1  # three captioners
    assert not jobs_of(cluster, "caption_clips")


def test_a_failing_job_shows_its_log(finished, tmp_path):
    folder = tmp_path / "cut"
    shutil.copytree(finished[0], folder)
    features = folder / "data/captioning/features/test.h5"
    stamp = features.stat()
    features.write_bytes(features.read_bytes()[:5000])
    os.utime(features, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    captions = "results/captions/captioner/I-seed0.test.jsonl"
    (folder / captions).unlink()
    code, log = Run(folder, captions, "--retries", "0").end()
    assert code
    assert "error: data/captioning/features/test.h5: not a whole HDF5 file" in log
    assert re.search(r"logs/slurm/group_captions\S+/\d+\.log", log)


def test_after_a_kill_of_snakemake_its_jobs_are_cancelled_first(finished, cluster, local, tmp_path):
    """The README's recipe: scancel by the run's name, unlock, the same command again."""
    folder = tmp_path / "killed"
    shutil.copytree(finished[0], folder)
    shutil.rmtree(folder / "models/captioner")
    run = Run(folder, MODEL)
    orphan = run.until_running(cluster, "train_captioner")
    os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait()
    name = re.search(r"SLURM run ID: (\S+)", run.log.read_text())[1]
    assert job(cluster, orphan["JobId"])["JobState"] == "RUNNING"
    subprocess.run(["scancel", "--name", name], check=True)
    over = lambda: job(cluster, orphan["JobId"])["JobState"] == "CANCELLED"  # noqa: E731
    cluster.wait_for(over, "the end of the orphan")
    call(folder, "snakemake", "--unlock")
    code, log = Run(folder, MODEL).end()
    assert code == 0, log
    assert (folder / MODEL).read_bytes() == (local / MODEL).read_bytes()


def test_dvc_runs_a_stage_through_slurm(finished, cluster, tmp_path):
    """Where a stage runs is no part of it: SNAKEMAKE_PROFILE says it, beside profiles/default."""
    folder = tmp_path / "dvc"
    shutil.copytree(finished[0], folder)
    shutil.rmtree(folder / "data/captioning/topics")
    before = len(jobs_of(cluster, "mine_topics"))
    call(folder, "git", "init", "-q")
    environment = {**ENVIRONMENT, "SNAKEMAKE_PROFILE": "profiles/slurm"}
    result = subprocess.run(
        ["dvc", "repro", "--single-item", "topics"],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(jobs_of(cluster, "mine_topics")) == before + 1
    assert (folder / "dvc.lock").exists()
