"""DVC's remotes, a folder and S3: push and pull, a stage on a machine apart, mishaps."""

import hashlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import boto3
import pytest
import yaml
from checkouts import BIN, ENVIRONMENT, ROOT, call, make_checkout, snakemake, write_params

STAGES = ("data", "topics")
TOPICS = "data/captioning/topics"
INPUTS = "data/captioning/splits/train"
OUTS = ("data/captioning/corpus", "data/captioning/splits", TOPICS)
TABLE = "results/table1.csv"
POLICY = """{"Version": "2012-10-17",
"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}"""

# `dvc push` that kills itself in the midst: of a folder's object between its writing and its
# renaming, of S3's when it is about to be sent. Audit hooks see both; objects go one by one.
KILLED_PUSH = """
import os, signal, sys
from dvc.cli import main

seen = set()

def watch(event, arguments):
    if event not in ("os.rename", "open") or not isinstance(arguments[0], str):
        return
    path = arguments[1] if event == "os.rename" else arguments[0]
    if sys.argv[1] in str(path) and not str(path).endswith(".dir"):
        seen.add(path)
        if len(seen) > 4:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
main(["push", "--jobs", "1", "data", "topics"])
"""


class FolderRemote:
    """A folder, as on a disk that is carried about."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {}
        self.settings = {"url": str(folder)}
        self.killed_at = f"{folder}/files"  # where renames are watched for

    def objects(self):
        files = sorted(self.folder.glob("files/md5/??/*"))
        return {file.parent.name + file.name: file.read_bytes() for file in files}

    def write(self, name, content):
        file = self.folder / "files/md5" / name[:2] / name[2:]
        file.chmod(0o644)
        file.write_bytes(content)

    def delete(self, name):
        (self.folder / "files/md5" / name[:2] / name[2:]).unlink()


class S3Remote:
    """A prefix of a bucket on the server."""

    killed_at = ".dvc/cache/files/md5"  # where reads are watched for

    def __init__(self, server, prefix):
        self.bucket = server.bucket
        self.prefix = f"{prefix}/files/md5/"
        self.environment = server.environment
        self.settings = {"url": f"s3://{self.bucket.name}/{prefix}", "endpointurl": server.url}

    def objects(self):
        found = self.bucket.objects.filter(Prefix=self.prefix)
        return {
            item.key.removeprefix(self.prefix).replace("/", ""): item.get()["Body"].read()
            for item in found
        }

    def write(self, name, content):
        self.bucket.put_object(Key=f"{self.prefix}{name[:2]}/{name[2:]}", Body=content)

    def delete(self, name):
        self.bucket.Object(f"{self.prefix}{name[:2]}/{name[2:]}").delete()


class Server:
    """An S3 server on the loopback that refuses whoever does not sign with the one key it knows."""

    SETTING_UP = 3  # requests before keys are asked for: those that make the user and its key

    def __init__(self, folder):
        environment = ENVIRONMENT | {"INITIAL_NO_AUTH_ACTION_COUNT": str(self.SETTING_UP)}
        command = [BIN / "moto_server", "-H", "127.0.0.1", "-p", "0"]
        with (log := folder / "log").open("w") as file:
            self.process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        try:
            self.url = self._wait_for_address(log)
            self._make_bucket()
        except BaseException:
            self.stop()
            raise

    def _wait_for_address(self, log):
        deadline = time.time() + 60
        while time.time() < deadline and self.process.poll() is None:
            if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", log.read_text()):
                return found[1]
            time.sleep(0.05)
        pytest.fail(f"no S3 server: {log.read_text()}")

    def _make_bucket(self):
        place = {"endpoint_url": self.url, "region_name": "us-east-1"}
        nobody = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nobody"}
        iam = boto3.client("iam", **place, **nobody)
        iam.create_user(UserName="user")
        key = iam.create_access_key(UserName="user")["AccessKey"]
        iam.put_user_policy(UserName="user", PolicyName="s3", PolicyDocument=POLICY)
        self.environment = {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }
        own = {name.lower(): value for name, value in self.environment.items()}
        self.bucket = boto3.resource("s3", **place, **own).create_bucket(Bucket="store")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module", autouse=True)
def own_machine(tmp_path_factory):
    """No credentials, settings or caches of whoever runs the tests; not many tries either."""
    folder = tmp_path_factory.mktemp("machine")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in ENVIRONMENT if name.startswith(("AWS_", "DVC_"))]:
            patch.delitem(ENVIRONMENT, name)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setitem(ENVIRONMENT, name, str(folder / "nothing"))
        for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR", "DVC_SITE_CACHE_DIR"):
            patch.setitem(ENVIRONMENT, name, str(folder / name))
        patch.setitem(ENVIRONMENT, "AWS_EC2_METADATA_DISABLED", "true")
        patch.setitem(ENVIRONMENT, "AWS_MAX_ATTEMPTS", "1")
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def recorded(own_machine, tmp_path_factory):
    """A repository in which the corpus and its topics have been made and recorded."""
    folder = make_checkout(tmp_path_factory.mktemp("recorded") / "origin")
    shutil.copy(ROOT / ".dvc/.gitignore", folder / ".dvc")
    splits = [f"data/captioning/splits/{split}/clips.csv" for split in ("train", "val", "test")]
    snakemake(folder, TABLE, "data/captioning/corpus/clips.csv", *splits)
    call(folder, "git", "init", "-q", "-b", "main")
    call(folder, "dvc", "commit", "-f", *STAGES)
    commit(folder)
    return folder


@pytest.fixture(params=["folder", "s3"])
def remote(request, tmp_path):
    if request.param == "folder":
        return FolderRemote(tmp_path / "remote")
    return S3Remote(request.getfixturevalue("server"), tmp_path.name)


@pytest.fixture
def s3(server, tmp_path):
    return S3Remote(server, tmp_path.name)


@pytest.fixture
def origin(request, recorded, tmp_path):
    """A copy of `recorded` with the test's remote in its committed settings."""
    kind = "remote" if "remote" in request.fixturenames else "s3"
    settings = request.getfixturevalue(kind).settings | {"verify": "true"}
    folder = tmp_path / "origin"
    shutil.copytree(recorded, folder)
    config = (ROOT / ".dvc/config").read_text().replace("[core]", "[core]\n    remote = store")
    config += "['remote \"store\"']\n"
    config += "".join(f"    {name} = {value}\n" for name, value in settings.items())
    (folder / ".dvc/config").write_text(config)
    commit(folder)
    return folder


def commit(folder):
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-q", "-m", "a commit")


def clone(source, folder):
    call(source.parent, "git", "clone", "-q", str(source), str(folder))
    return folder


def dvc(folder, environment, *arguments, fails=False):
    """What `dvc` says; it must succeed or, with `fails`, must not, and without a traceback."""
    result = subprocess.run(
        ["dvc", *arguments],
        cwd=folder,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
    )
    output = result.stdout + result.stderr
    assert (result.returncode != 0) == fails, output
    assert "Traceback" not in output
    return output


def content(folder, *places):
    """Bytes of every file there, by its path; not the mark that Snakemake leaves in folders."""
    files = [file for place in places for file in (folder / place).rglob("*") if file.is_file()]
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in files
        if file.name != ".snakemake_timestamp"
    }


def md5(value):
    return hashlib.md5(value).hexdigest()


def recorded_folders(repository):
    """The `.dir` object of each recorded folder: the list of its files."""
    stages = yaml.safe_load((repository / "dvc.lock").read_text())["stages"]
    outs = [out for stage in stages.values() for out in stage["outs"]]
    return {out["path"]: out["md5"] for out in outs if out["md5"].endswith(".dir")}


def test_the_commands_of_the_readme_set_the_remote_up(origin, remote):
    wanted = (origin / ".dvc/config").read_text()
    shutil.copy(ROOT / ".dvc/config", origin / ".dvc/config")
    settings = remote.settings | {"verify": "true"}
    dvc(origin, {}, "remote", "add", "-d", "store", settings.pop("url"))
    for name, value in settings.items():
        dvc(origin, {}, "remote", "modify", "store", name, value)
    given = (origin / ".dvc/config").read_text()
    assert sorted(given.splitlines()) == sorted(wanted.splitlines())


def test_a_clone_gets_what_was_pushed(origin, remote, tmp_path):
    assert "21 files pushed" in dvc(origin, remote.environment, "push", *STAGES)
    files = content(origin, *OUTS)
    folders = recorded_folders(origin)
    objects = remote.objects()
    assert set(objects) == {md5(value) for value in files.values()} | set(folders.values())
    assert all(md5(value) == name.removesuffix(".dir") for name, value in objects.items())

    cloned = clone(origin, tmp_path / "clone")
    dvc(cloned, remote.environment, "pull", *STAGES)
    assert content(cloned, *OUTS) == files
    assert "up to date" in dvc(cloned, {}, "status", "topics")
    snakemake(cloned, TABLE, "--touch", "--forceall")
    assert "Nothing to be done" in snakemake(cloned, "-n", TABLE)
    assert content(cloned, *OUTS) == files
    for secret in remote.environment.values():
        for folder in (origin, cloned):
            assert not call(folder, "grep", "-rlF", "-e", secret, ".", check=False)


def test_a_stage_runs_on_a_machine_that_shares_no_disk(origin, s3, tmp_path):
    """The README's recipe: there, the stage's inputs alone; back, its outputs, and no rerun."""
    hub = tmp_path / "hub.git"
    call(tmp_path, "git", "clone", "-q", "--bare", str(origin), str(hub))
    call(origin, "git", "remote", "add", "origin", str(hub))
    dvc(origin, s3.environment, "push", *STAGES)
    before = content(origin, TOPICS)
    write_params(origin, {"topics": {"n_topics": 5}})
    commit(origin)
    call(origin, "git", "push", "-q", "-u", "origin", "main")

    node = clone(hub, tmp_path / "node")
    output = dvc(node, s3.environment, "repro", "-s", "--pull", "topics")
    assert "Running stage 'topics'" in output
    assert content(node, INPUTS) == content(origin, INPUTS)
    assert not (node / "data/puppets").exists()
    assert "up to date" in dvc(node, {}, "status", "topics")
    assert "files pushed" in dvc(node, s3.environment, "push", "topics")
    commit(node)
    call(node, "git", "push", "-q")

    call(origin, "git", "pull", "-q")
    dvc(origin, s3.environment, "pull", "topics")
    assert content(origin, TOPICS) == content(node, TOPICS) != before
    assert (origin / TABLE).read_bytes() == (node / TABLE).read_bytes()
    assert "didn't change, skipping" in dvc(origin, {}, "repro", "-s", "topics")
    assert "mine_topics" in snakemake(origin, "-n", TABLE)
    snakemake(origin, TABLE, "--allowed-rules", "mine_topics", "--touch")
    assert "Nothing to be done" in snakemake(origin, "-n", TABLE)
    assert content(origin, TOPICS) == content(node, TOPICS)
    assert not call(origin, "git", "status", "--porcelain")


def test_a_remote_out_of_reach_costs_nothing(origin, s3, tmp_path):
    """Push and pull fail, say why and change nothing; the next ones complete."""
    cloned = clone(origin, tmp_path / "clone")
    before = content(origin, *OUTS, ".dvc/cache")

    def fail(message, environment):
        for folder, command in ((origin, "push"), (cloned, "pull")):
            output = dvc(folder, environment, command, *STAGES, fails=True)
            assert re.search(f"ERROR: .*{message}", output), output

    fail("Unable to locate credentials", {})
    fail("Forbidden", s3.environment | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    with socket.socket() as closed:  # bound, so that nobody else takes the port; not listening
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
        local = f"['remote \"store\"']\n    endpointurl = {nowhere}\n"
        for folder in (origin, cloned):
            (folder / ".dvc/config.local").write_text(local)
        fail("Could not connect to the endpoint URL", s3.environment)
    assert content(origin, *OUTS, ".dvc/cache") == before
    assert not s3.objects()
    assert not content(cloned, *OUTS)

    for folder in (origin, cloned):
        (folder / ".dvc/config.local").unlink()
    assert "21 files pushed" in dvc(origin, s3.environment, "push", *STAGES)
    dvc(cloned, s3.environment, "pull", *STAGES)
    assert content(cloned, *OUTS) == content(origin, *OUTS)


def test_a_killed_push_is_completed_by_the_next(origin, remote, tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", KILLED_PUSH, remote.killed_at],
        cwd=origin,
        env=ENVIRONMENT | remote.environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == -signal.SIGKILL, result.stderr
    names = {md5(value) for value in content(origin, *OUTS).values()}
    names |= set(recorded_folders(origin).values())
    assert 0 < len(names & set(remote.objects())) < len(names)
    cloned = clone(origin, tmp_path / "clone")
    dvc(cloned, remote.environment, "pull", *STAGES, fails=True)

    dvc(origin, remote.environment, "push", *STAGES)
    assert names <= set(remote.objects())
    dvc(cloned, remote.environment, "pull", *STAGES)
    assert content(cloned, *OUTS) == content(origin, *OUTS)


def damage(origin, remote):
    """Turn one bit of an object of the remote; give its name and both contents."""
    right = (origin / TOPICS / "topics.h5").read_bytes()
    wrong = right[:-1] + bytes([right[-1] ^ 1])
    remote.write(md5(right), wrong)
    return md5(right), right, wrong


def test_a_damaged_object_is_noticed_and_replaced(origin, s3, tmp_path):
    """With `verify`; and by hand, since push believes a folder whole whose `.dir` is there."""
    dvc(origin, s3.environment, "push", *STAGES)
    name, right, wrong = damage(origin, s3)
    cloned = clone(origin, tmp_path / "clone")
    output = dvc(cloned, s3.environment, "pull", *STAGES, fails=True)
    assert re.search(rf"ERROR: failed to pull .*\n{TOPICS}\n", output), output
    assert not content(cloned, TOPICS)
    assert content(cloned, INPUTS) == content(origin, INPUTS)

    assert "up to date" in dvc(origin, s3.environment, "push", *STAGES)
    assert s3.objects()[name] == wrong
    s3.delete(name)
    s3.delete(recorded_folders(origin)[TOPICS])
    assert "2 files pushed" in dvc(origin, s3.environment, "push", *STAGES)
    assert s3.objects()[name] == right
    dvc(cloned, s3.environment, "pull", *STAGES)
    assert content(cloned, *OUTS) == content(origin, *OUTS)


@pytest.mark.parametrize("remote", ["folder"], indirect=True)
def test_a_lost_object_is_noticed_and_replaced(origin, remote, tmp_path):
    dvc(origin, {}, "push", *STAGES)
    name = md5((origin / TOPICS / "topics.h5").read_bytes())
    remote.delete(name)
    cloned = clone(origin, tmp_path / "clone")
    assert f"failed to transfer '{name}'" in dvc(cloned, {}, "pull", *STAGES, fails=True)
    assert "up to date" in dvc(origin, {}, "push", *STAGES)
    assert name not in remote.objects()
    remote.delete(recorded_folders(origin)[TOPICS])
    assert "2 files pushed" in dvc(origin, {}, "push", *STAGES)
    dvc(cloned, {}, "pull", *STAGES)
    assert content(cloned, *OUTS) == content(origin, *OUTS)


@pytest.mark.parametrize("remote", ["folder"], indirect=True)
def test_without_verify_a_damaged_object_passes_for_whole(origin, remote, tmp_path):
    """Why the README sets it; should DVC come to verify by itself, this test says so."""
    dvc(origin, {}, "push", *STAGES)
    _, _, wrong = damage(origin, remote)
    cloned = clone(origin, tmp_path / "clone")
    config = cloned / ".dvc/config"
    config.write_text(config.read_text().replace("verify = true", "verify = false"))
    dvc(cloned, {}, "pull", *STAGES)
    assert (cloned / TOPICS / "topics.h5").read_bytes() == wrong
    assert "up to date" in dvc(cloned, {}, "status", "topics")


def test_dvc_calls_nobody_by_itself(recorded, monkeypatch):
    """Neither with statistics nor for a newer version, by the repository's own settings."""
    monkeypatch.delitem(ENVIRONMENT, "CI", raising=False)  # there, it looks for none anyway
    output = dvc(recorded, {}, "version", "-v")
    assert "Check for update is disabled" in output
    assert "Analytics is disabled" in output
