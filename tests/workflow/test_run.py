"""The whole workflow with tiny settings: it runs, resumes, reruns what an edit touches, no more."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from checkouts import (
    DEFAULT,
    ENVIRONMENT,
    call,
    make_checkout,
    ran,
    recording,
    snakemake,
    write_params,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A checkout in which `results/table2.csv` has been made, with no profile of the user's."""
    folder = make_checkout(tmp_path_factory.mktemp("run") / "checkout")
    snakemake(folder, "results/table1.csv", "results/table2.csv")
    return folder


def test_the_tables_are_there_and_whole(finished):
    topics = pd.read_csv(finished / "results/table1.csv")
    assert len(topics) == 6
    assert all(len(words.split(", ")) == 5 for words in topics["words"])
    table = pd.read_csv(finished / "results/table2.csv")
    kinds = table["kind"].tolist()
    assert kinds[:7] == ["model"] * 3 + ["paired difference"] * 2 + ["floor", "ceiling"]
    assert all("published" in kind for kind in kinds[7:])
    own = table[:7]
    for score in ("BLEU-4", "METEOR", "ROUGE-L", "CIDEr"):
        assert (own[f"{score} low"] <= own[score]).all()
        assert (own[score] <= own[f"{score} high"]).all()
    assert (own["clips"] == 6).all()


def test_a_second_run_has_nothing_to_do(finished):
    start = time.time()
    assert "Nothing to be done" in snakemake(finished, "results/table2.csv")
    assert time.time() - start < 60  # how long it takes is for the benchmark; this is for hangs


@pytest.mark.parametrize(
    ("section", "changes", "rules"),
    [
        (
            "decoding",
            {"beam": 2},
            {"caption_clips", "score_captions"},
        ),
        ("evaluation", {"resamples": 150}, {"score_captions"}),
        (
            "topics",
            {"n_topics": 5},
            {"mine_topics", "train_captioner", "caption_clips", "score_captions"},
        ),
        ("sweep", {"lambdas": [1.0, 2.0]}, set()),
        ("transfer", {"hidden": 8}, set()),
        ("folder", {"seed": 3}, None),
    ],
)
def test_an_edit_reruns_what_depends_on_it(finished, section, changes, rules):
    original = (finished / "params.yaml").read_text()
    try:
        write_params(finished, {section: changes})
        output = snakemake(finished, "-n", "results/table1.csv", "results/table2.csv")
    finally:
        (finished / "params.yaml").write_text(original)
    if rules is None:  # import_corpus carries the section, though puppets do not use it
        assert "import_corpus" in ran(output)
    else:
        assert ran(output) == rules
        assert rules or "Nothing to be done" in output


def test_an_edit_of_one_model_trains_that_model_alone(finished):
    original = (finished / "params.yaml").read_text()
    try:
        write_params(finished, {"captioner": {"lambda": 5.0}})
        output = snakemake(finished, "-n", "results/table2.csv")
    finally:
        (finished / "params.yaml").write_text(original)
    assert re.search(r"train_captioner +1\n", output)
    assert "models/captioner/I-seed0.safetensors" in output


def test_an_edit_of_the_package_reruns_what_uses_it(finished):
    module = finished / "workflow/src/seewhy/captioning/tables.py"
    original = module.read_text()
    try:
        module.write_text(original + "\n# edited\n")
        output = snakemake(finished, "-n", "results/table1.csv", "results/table2.csv")
    finally:
        module.write_text(original)
    assert ran(output) == {"score_captions"}


def test_shards_are_gathered_to_the_bytes_of_one_job(finished, tmp_path):
    folder = tmp_path / "sharded"
    shutil.copytree(finished, folder)
    write_params(folder, {"shards": {"frames": 3, "features": 2}})
    made = [f"data/captioning/features/{split}.h5" for split in ("train", "val", "test")]
    output = snakemake(folder, *made)
    rules = {"sample_frames_shard", "gather_frames", "extract_features_shard", "gather_features"}
    assert ran(output) == rules
    folders = ("data/captioning/frames", "data/captioning/features", "results/frames/captioning")
    for name in folders:
        files = {path.name: path.read_bytes() for path in (finished / name).iterdir()}
        assert files == {path.name: path.read_bytes() for path in (folder / name).iterdir()}
    assert "Nothing to be done" in snakemake(folder, "-n", *made)


def test_a_killed_workflow_is_taken_up(finished, tmp_path):
    """kill -9 of Snakemake and its job in the midst of training; unlock; the same bytes."""
    folder = tmp_path / "killed"
    shutil.copytree(finished, folder)
    shutil.rmtree(folder / "models/captioner")
    shutil.rmtree(folder / "results/captions")
    (folder / "results/table2.csv").unlink()
    process = subprocess.Popen(
        ["snakemake", "--cores", "1", "results/table2.csv"],
        cwd=folder,
        env=ENVIRONMENT,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.time() + 120
    while time.time() < deadline and process.poll() is None:
        if list(folder.glob(".resume/*/models/captioner/.*.pt")):
            break
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "results/table2.csv").exists()
    assert "lock" in snakemake(folder, "results/table2.csv", check=False).lower()
    snakemake(folder, "--unlock")
    snakemake(folder, "results/table2.csv", "--rerun-incomplete")
    for name in ("results/table2.csv", "models/captioner/I-seed0.safetensors"):
        assert (folder / name).read_bytes() == (finished / name).read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"captioner": {"lamda": 1}}, "params.yaml: unknown key captioner.lamda; did you mean"),
        ({"captioner": {"lambda": "3"}}, 'params.yaml: captioner.lambda: "3" is not of the type'),
        ({"frames": {"n": 0}}, "params.yaml: frames.n: 0 is below 1"),
        (
            {"corpus": {"name": "msvd", "source": "nowhere"}},
            "corpus.source: no folder nowhere; get",
        ),
        (
            {"transfer": {"corpus": {"name": "ucf11", "source": "nowhere"}}},
            "transfer.corpus.source: no folder nowhere; get UCF11_updated_mpg.rar",
        ),
        (
            {"transfer": {"labels": [4, "most"]}},
            'params.yaml: transfer.labels.1: "most" is not ',
        ),
        (
            {"backbone": {"name": "googlenet", "weights": "no.pth"}},
            "backbone.weights: no file no.pth",
        ),
        (
            {"dissection": {"sets": {"broden": "nowhere", "actions": None}}},
            "dissection.sets.broden: no nowhere/index.csv; get Broden from",
        ),
        (
            {"dissection": {"model": {**DEFAULT["dissection"]["model"], "name": "resnet50"}}},
            "dissection.model.weights: resnet50 needs a file of weights",
        ),
    ],
)
def test_a_mistake_is_said_in_one_line_before_anything_runs(finished, tmp_path, changes, message):
    folder = tmp_path / "wrong"
    shutil.copytree(finished, folder)
    write_params(folder, changes)
    before = {path: path.stat().st_mtime_ns for path in (folder / "results").rglob("*")}
    output = snakemake(folder, "results/table2.csv", check=False)
    assert sum(message in line for line in output.splitlines()) == 1, output
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "results").rglob("*")}


def test_a_cut_file_is_named_and_the_rest_stays_whole(finished, tmp_path):
    folder = tmp_path / "cut"
    shutil.copytree(finished, folder)
    features = folder / "data/captioning/features/test.h5"
    stamp = features.stat()
    features.write_bytes(features.read_bytes()[:5000])
    os.utime(features, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    (folder / "results/captions/captioner/I-seed0.test.jsonl").unlink()
    output = snakemake(folder, "results/captions/captioner/I-seed0.test.jsonl", check=False)
    assert "error: data/captioning/features/test.h5: not a whole HDF5 file" in output
    assert "Traceback" not in output
    other = "results/captions/captioner/B-seed0.test.jsonl"
    assert (folder / other).read_bytes() == (finished / other).read_bytes()


def test_broken_videos_of_a_folder_are_named_and_left_out(finished, tmp_path):
    """Videos of one's own, one cut short and one a text file: to Table 2 all the same."""
    folder = tmp_path / "own"
    shutil.copytree(finished, folder)
    own = folder / "own"
    own.mkdir()
    rows = ["video,caption,split"]
    clips = pd.read_csv(folder / "data/puppets/trimmed/clips.csv")
    captions = pd.read_csv(folder / "data/puppets/trimmed/captions.csv")
    for _, clip in clips.iterrows():
        shutil.copy(folder / clip["video"], own)
        texts = captions.loc[captions["clip"] == clip["clip"], "text"]
        rows += [f"{Path(clip['video']).name},{text},{clip['split']}" for text in texts[:5]]
    (own / "captions.csv").write_text("\n".join(rows) + "\n")
    videos = sorted(own.glob("*.mp4"))
    broken, text = next(v for v in videos if "test" in v.name), videos[-1]
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    text.write_text("this is no video\n")
    write_params(folder, {"corpus": {"name": "folder", "source": "own"}})
    snakemake(folder, "results/table2.csv")
    problems = pd.concat(
        pd.read_csv(folder / f"results/frames/captioning/{split}.csv")
        for split in ("train", "val", "test")
    )
    assert set(problems["clip"]) == {broken.name, text.name}
    table = pd.read_csv(folder / "results/table2.csv")
    left_out = sum("test" in name for name in problems["clip"])
    assert (table["clips"][:3] == 6 - left_out).all()
    assert "Nothing to be done" in snakemake(folder, "-n", "results/table2.csv")
    os.utime(videos[0])
    assert "sample_frames" in ran(snakemake(folder, "-n", "results/table2.csv"))


def test_real_videos_go_to_captions(finished, tmp_path, shared_data):
    """mp4, avi and mpg, one in each split; the captioner is of no use, its way there is."""
    folder = tmp_path / "real"
    shutil.copytree(finished, folder)
    shutil.copytree(shared_data / "video", folder / "own")
    rows = ["video,caption,split", "test.mp4,a man is riding a red bicycle along the street,train"]
    rows += ["test.mp4,the young man rides his old bicycle past green trees,train"]
    rows += ["test.avi,a man is sitting,val"]
    rows += ["v_biking_01_01.mpg,a man is riding a bike,test"]
    (folder / "own/captions.csv").write_text("\n".join(rows) + "\n")
    topics = {"n_topics": 2, "min_df": 1, "max_df": 1.0}
    corpus = {"name": "folder", "source": "own"}
    write_params(folder, {"corpus": corpus, "topics": topics, "captioner": {"min_count": 1}})
    captions = folder / "results/captions/captioner/I-seed0.test.jsonl"
    snakemake(folder, str(captions.relative_to(folder)))
    assert '"clip": "v_biking_01_01.mpg"' in captions.read_text()
    for split in ("train", "val", "test"):
        assert len(pd.read_csv(folder / f"results/frames/captioning/{split}.csv")) == 0


# --- DVC ------------------------------------------------------------------------------------------


def test_dvc_records_a_direct_run_and_a_clone_gets_it_back(finished, tmp_path):
    """The README's recipes: commit a direct run, push, clone, pull, clean status; then an edit."""
    origin, clone, remote = tmp_path / "origin", tmp_path / "clone", tmp_path / "remote"
    shutil.copytree(finished, origin)
    snakemake(origin, "all")
    assert "Nothing to be done" in snakemake(origin, "-n", "all")
    call(origin, "git", "init", "-q", "-b", "main")
    call(origin, "dvc", "remote", "add", "-d", "store", str(remote))
    recording(origin, "check")  # and the next line: `make record`
    call(origin, "dvc", "commit", "-f")
    call(origin, "git", "add", "-A")
    call(origin, "git", "commit", "-q", "-m", "run")
    tracked = call(origin, "git", "ls-files").splitlines()
    assert "results/table2.csv" in tracked
    assert not [name for name in tracked if name.endswith((".h5", ".safetensors", ".mp4"))]
    call(origin, "dvc", "push")

    call(tmp_path, "git", "clone", "-q", str(origin), str(clone))
    recording(clone, "pull")
    assert "up to date" in call(clone, "dvc", "status")
    assert "Nothing to be done" in snakemake(clone, "-n", "all")

    # A section with little behind it; what an edit of any does again is asked in test_dags.py.
    write_params(clone, {"transfer": {"hidden": 8}})
    output = call(clone, "dvc", "repro")
    assert set(re.findall(r"Running stage '(\w+)'", output)) == {"transfer", "records"}
    assert ran(snakemake(clone, "-n", "all")) == set()
    assert "up to date" in call(clone, "dvc", "status")
    table = "results/table3.csv"
    assert (clone / table).read_bytes() != (origin / table).read_bytes()

    write_params(clone, {"transfer": {"hidden": DEFAULT["transfer"]["hidden"]}})
    call(clone, "dvc", "repro")
    assert (clone / table).read_bytes() == (origin / table).read_bytes()
    assert "Nothing to be done" in snakemake(clone, "-n", "all")
