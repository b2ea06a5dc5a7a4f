"""Histories in which something old could be called current: what is done again, and what is not.

A checkout whose every kind of file is a person's own (videos in linked folders and elsewhere,
weights, modules, class names, concept sets, annotations) stands as if all had been made. Each
history edits files in one way, and a plan tells what would be done: files are edited together only
where no two of them ask for the same job, so that each has jobs in the plan that no other one can
have put there. Histories of resumed work are tried on the functions.
"""

import os
import re
import shutil

import numpy as np
import pytest
from checkouts import DEFAULT, FILES, FOLDERS, call, make_checkout, snakemake, write_params
from torch import nn

from seewhy.dissection import dissect
from seewhy.dissection.concepts import ConceptSet, ConceptWriter
from seewhy.dissection.dissect import How, dissect_layer
from seewhy.errors import InputError

TARGETS = [
    "data/captioning/corpus/clips.csv",
    "results/captions/captioner/I-seed0.test.jsonl",
    "results/refined/I-seed0.csv",
    "data/transfer/frames/test.h5",
    "models/grounding/lrcn.safetensors",
    "data/dissection/sets/actions",
    "results/dissection/tally/model/layer4.broden.0.995.csv",
    "models/summaries/classifier.safetensors",
    "data/summaries/activations/test.h5",
]
# Asked for by themselves: beside them whatever makes action regions would hide all dissections.
MISTAKES = ["results/dissection/paths.csv"]
ALL_TARGETS = [*TARGETS, *MISTAKES]
OLD = 1_000_000_000  # seconds: long before any output
VIDEOS = {  # of the captioning corpus: name in captions.csv, and the split
    "plain.mp4": "train",
    "cam/linked.avi": "val",  # in a linked folder
    "../elsewhere/out.mkv": "train",  # outside of the source
    "one.ts": "test",
    "two.wmv": "val",
    "link.flv": "test",  # a link to a file
    "three.gif": "test",
}
TRANSFERRED = "own/ucf11/basketball/v_shooting_01/v_shooting_01_01.mpg"
SPLITS = ("train", "val", "test")
# Whatever else goes: of a split without any video nothing is planned.
STAYING = {f"staying-{split}.mp4": split for split in SPLITS}
# Enough of them to find topics in.
WORDS = " where dogs chase horses over hills while birds watch boats near rivers under clouds"


def own_files(folder):
    """A person's own files of every kind, all older than what is made from them."""

    def write(name, text):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    for name in VIDEOS | STAYING:
        if name not in ("cam/linked.avi", "link.flv"):
            write(f"own/videos/{name}", f"video {name}")
    write("nas/cam/linked.avi", "video in a linked folder")
    write("nas/pool/link.flv", "video behind a link")
    (folder / "own/videos/cam").symlink_to(folder / "nas/cam")
    (folder / "own/videos/link.flv").symlink_to(folder / "nas/pool/link.flv")
    (folder / "own/videos/gone.mp4").symlink_to("/nowhere/gone.mp4")  # listed by no table
    rows = [
        f"{name},a caption of {name}{WORDS},{split}" for name, split in (VIDEOS | STAYING).items()
    ]
    write("own/videos/captions.csv", "\n".join(["video,caption,split", *rows]) + "\n")
    write(TRANSFERRED, "video")
    write("own/images/images.csv", "image,label,split\na.png,crow,train\nb.png,owl,val\n")
    write("corrections.yaml", "[]  # whose end may be edited")
    write("own/images/captions.csv", "image,caption\na.png,a black bird\n")
    for name in "ab":
        write(f"own/images/{name}.png", f"picture {name}")
    cells = {"a.png": "a_color.png", "b.png": "1", "c.png": "1"}
    index = [f"{name},train,4,4,4,4,{cell}\n" for name, cell in cells.items()]
    write("own/set/index.csv", "image,split,ih,iw,sh,sw,color\n" + "".join(index))
    write("own/set/label.csv", "number,name,category\n1,red,color(1)\n")
    write("own/set/category.csv", "name\ncolor\n")
    for name in (*cells, "a_color.png"):
        write(f"own/set/images/{name}", "picture or mask")
    write("own/regions/sizes.csv", "image,width,height\nx.png,4,4\ny.png,4,4\nz.png,4,4\n")
    write(
        "own/regions/votes.csv", "image,action,stage,round,annotator,yes\nx.png,run,visible,1,p,1\n"
    )
    write("own/regions/boxes.csv", "image,action,round,annotator,x,y,width,height\n")
    write("own/regions/images/x.png", "picture")
    write("own/mistake.png", "picture")
    for name in ("googlenet", "vgg16", "dissected", "explained", "first"):
        write(f"own/{name}.pth", f"weights {name}")
    for name in ("dissected", "explained"):
        write(f"own/{name}.txt", "crow\nowl\n")
    write("nets/__init__.py", "")
    write("nets/build.py", "from nets.parts import block\n\ndef make():\n    ...\n")
    write("nets/parts.py", "def block():\n    ...\n")
    write("nets/explain.py", "from . import sizes\n\ndef make():\n    ...\n")
    write("nets/sizes.py", "SIZE = 3\n")
    write("nets/unused.py", "SIZE = 4\n")
    for path in [folder / "nas", folder / "own", folder / "nets", folder / "corrections.yaml"]:
        for file in [path, *path.rglob("*")]:
            os.utime(file, (OLD, OLD), follow_symlinks=False)


OWN = {
    "corpus": {"name": "folder", "source": "own/videos"},
    "frames": DEFAULT["frames"] | {"size": 224},  # what googlenet reads
    "topics": DEFAULT["topics"] | {"min_df": 1, "max_df": 1.0},
    "backbone": {**DEFAULT["backbone"], "name": "googlenet", "weights": "own/googlenet.pth"},
    "transfer": {"corpus": {"name": "ucf11", "source": "own/ucf11"}},
    "grounding": {"network": {**DEFAULT["grounding"]["network"], "weights": "own/vgg16.pth"}},
    "dissection": {
        "model": {**DEFAULT["dissection"]["model"], "name": "nets.build:make"}
        | {"weights": "own/dissected.pth", "classes": "own/dissected.txt"},
        "sets": {"broden": "own/set", "actions": None},
        "annotations": "own/regions",
        "layers": ["layer3", "layer4"],
        "paths": {**DEFAULT["dissection"]["paths"], "images": ["own/mistake.png"]},
    },
    "summaries": {
        "corpus": {"name": "images", "source": "own/images"},
        "network": {**DEFAULT["summaries"]["network"], "weights": "own/first.pth"},
        "model": {**DEFAULT["summaries"]["model"], "name": "nets.explain:make"}
        | {"weights": "own/explained.pth", "classes": "own/explained.txt"},
    },
}
TABLES = {  # made from these files: what the plan asks for videos and images
    "captioning/corpus": VIDEOS,
    **{
        f"captioning/splits/{split}": {name: s for name, s in VIDEOS.items() if s == split}
        for split in SPLITS
    },
    "transfer/corpus": {TRANSFERRED.replace("own", ".."): "test"},
    "summaries/corpus": {"../images/a.png": "train", "../images/b.png": "val"},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The checkout as it stands after everything ran: made-up outputs, true records."""
    folder = make_checkout(tmp_path_factory.mktemp("histories") / "checkout")
    own_files(folder)
    write_params(folder, OWN)
    plan = snakemake(folder, "-n", "--nocolor", *ALL_TARGETS)
    for outputs in re.findall(r"\n    output: (.*)", plan):
        for output in outputs.split(", "):
            path = folder / output
            if output.endswith(("/videos", "/sets/actions")):
                path.mkdir(parents=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("made up")
    for place, videos in TABLES.items():
        rows = [f"{name},{split},own/videos/{name}" for name, split in videos.items()]
        (folder / "data" / place / "clips.csv").write_text("\n".join(["clip,split,video", *rows]))
    snakemake(folder, "--touch", "--forceall", *ALL_TARGETS)
    assert planned(folder) == {}
    return folder


def planned(folder, *, targets=ALL_TARGETS, of_itself=True):
    """Of each job that would run the reason; `of_itself`: not those for what another makes anew."""
    found = {}
    plan = snakemake(folder, "-n", "--nocolor", *targets)
    assert "Nothing to be done" in plan or "Job stats" in plan
    for block in re.split(r"\n(?=(?:local)?rule )", plan)[1:]:
        rule = re.match(r"(?:local)?rule (\w+):", block)[1]
        which = re.findall(r"\b(?:use|split)=(?!captioning)(\w+)", block)
        reason = re.search(r"\n    reason: (.*)", block)[1]
        if not of_itself or not reason.startswith("Input files updated by another job"):
            found[" ".join([rule, *which])] = reason
    return found


def edit_in_place(path):
    """Another size, and the time of now."""
    path.write_text(path.read_text() + " edited\n")


def edit_and_turn_back_the_clock(path):
    """Another content of the same size, and the time that it had."""
    about = path.stat()
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def replace_by_an_older_file(path):
    """As ``cp -p`` does: a file of the same size that is older than the one it replaces."""
    other = path.with_name("." + path.name)
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    other.write_bytes(content)
    os.utime(other, (OLD - 1000, OLD - 1000))
    os.replace(other, path)


def remove(path):
    path.unlink()


def touch(path):
    os.utime(path)


def copy_it_over_itself(path):
    """The same content as another file of the same time: what another machine's copy looks like."""
    other = path.with_name("." + path.name)
    shutil.copy2(path, other)
    other.chmod(0o600)
    os.replace(other, path)


# What must be done again, of itself, when a file is another one.
CONTENTS = {
    "own/googlenet.pth": {
        "extract_features train",
        "extract_features val",
        "extract_features test",
    },
    "own/vgg16.pth": {"train_action_networks"},
    "own/dissected.pth": {"dissect_layer"},  # and explain_mistakes, which reads what it makes
    "own/dissected.txt": {"explain_mistakes"},
    "own/mistake.png": {"explain_mistakes"},  # an image that is named by itself
    "own/first.pth": {"train_classifier"},
    "own/explained.pth": {"read_activations test"},
    "own/explained.txt": {"read_activations test"},
    "nets/build.py": {"dissect_layer"},
    "nets/parts.py": {"dissect_layer"},
    "nets/explain.py": {"read_activations test"},
    "nets/sizes.py": {"read_activations test"},
    "own/set/label.csv": {"dissect_layer"},
    "own/regions/boxes.csv": {"build_action_regions"},
    "own/regions/votes.csv": {"build_action_regions"},
    "own/regions/sizes.csv": {"build_action_regions"},
    "own/images/images.csv": {"import_corpus summaries"},
    "own/images/captions.csv": {"import_corpus summaries"},
    "corrections.yaml": {"refine_captioner"},
}
SIZES = {
    "own/videos/plain.mp4": {"sample_frames train"},
    "nas/cam/linked.avi": {"sample_frames val"},
    "own/elsewhere/out.mkv": {"sample_frames train"},
    "own/videos/one.ts": {"sample_frames test"},
    "own/videos/two.wmv": {"sample_frames val"},
    "nas/pool/link.flv": {"sample_frames test"},
    "own/videos/three.gif": {"sample_frames test"},
    TRANSFERRED: {"sample_frames transfer test"},
    "own/set/images/a.png": {"dissect_layer"},
    "own/set/images/a_color.png": {"dissect_layer"},
    "own/regions/images/x.png": {"write_actions"},
    "own/images/b.png": {"crop_images val"},
}
ALL = {**CONTENTS, **SIZES}
# What is made of another one's results names no reason of its own while that one is planned.
CHAINS = [
    *(
        {f"sample_frames {split}", f"extract_features {split}", "refine_captioner"}
        for split in SPLITS
    ),
    {"build_action_regions", "write_actions"},
    {"import_corpus summaries", "crop_images val", "train_classifier"},
    {"import_corpus summaries", "read_activations test"},
]


def targets_of(jobs):
    return MISTAKES if "explain_mistakes" in jobs else TARGETS


def hide_each_other(some, others):
    """Whether one plan could not tell for which of two files it has these jobs."""
    if targets_of(some) != targets_of(others):
        return True
    return bool(some & others) or any(some & chain and others & chain for chain in CHAINS)


def groups(expected):
    """Groups of files of which none hides another one: each file is in the first that takes it."""
    found = []
    for name, jobs in expected.items():
        fits = (g for g in found if not any(hide_each_other(jobs, expected[o]) for o in g))
        group = next(fits, None)
        if group is None:
            found.append(group := [])
        group.append(name)
    return found


class Histories:
    """One plan for files that are edited together in one way; asked again, the same one."""

    def __init__(self, folder):
        self.folder, self._plans = folder, {}

    def after(self, edit, name, expected):
        """What would be done after an edit of a file and others of its group, and what must be."""
        group = next(group for group in groups(expected) if name in group)
        plan = self.after_all(edit, group, targets_of(expected[name]))
        return plan, set().union(*(expected[other] for other in group))

    def after_all(self, edit, names, targets=ALL_TARGETS):
        key = (edit, *names)
        if key not in self._plans:
            kept = {}
            for name in names:
                path = self.folder / name
                kept[path] = path.read_bytes(), path.stat()
                edit(path)
            self._plans[key] = planned(self.folder, targets=targets)
            for path, (content, about) in kept.items():
                path.write_bytes(content)
                path.chmod(about.st_mode)
                os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
        return self._plans[key]


@pytest.fixture(scope="module")
def histories(made):
    return Histories(made)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("edit", [edit_in_place, replace_by_an_older_file])
def test_another_file_is_noticed(histories, edit, name):
    plan, may = histories.after(edit, name, ALL)
    assert ALL[name] <= plan.keys() <= may
    assert all("Params have changed" in plan[job] or edit is edit_in_place for job in plan)


@pytest.mark.parametrize("name", CONTENTS)
def test_another_content_is_noticed_whatever_the_clock_says(histories, name):
    """Of tables, weights, modules and images that are named by themselves."""
    plan, may = histories.after(edit_and_turn_back_the_clock, name, CONTENTS)
    assert CONTENTS[name] <= plan.keys() <= may


@pytest.mark.parametrize("name", SIZES)
def test_another_time_is_noticed(histories, name):
    """Of videos, pictures and masks, wherever they lie."""
    plan, may = histories.after(touch, name, SIZES)
    assert SIZES[name] <= plan.keys() <= may


@pytest.mark.parametrize("name", SIZES)
def test_one_that_is_gone_is_noticed_and_ends_no_plan(histories, name):
    plan, may = histories.after(remove, name, SIZES)
    # Of UCF11 no table lists the videos: their names themselves are imported.
    expected = {"import_corpus transfer"} if "ucf11" in name else SIZES[name]
    assert expected <= plan.keys() <= may | {"import_corpus transfer"}


def test_the_same_content_does_nothing_again(histories):
    """Touched: what counts of tables, weights and modules is their content."""
    assert histories.after_all(touch, CONTENTS) == {}


def test_the_same_file_does_nothing_again(histories):
    """With other rights, and copied with its time: as on another machine."""
    assert histories.after_all(copy_it_over_itself, ALL) == {}


def test_no_two_files_of_a_group_ask_for_one_job():
    for expected in (ALL, CONTENTS, SIZES):
        for group in groups(expected):
            jobs = [job for name in group for job in expected[name]]
            assert len(jobs) == len(set(jobs))


def test_what_nobody_reads_does_nothing_again(made):
    for name in ("nets/unused.py", "own/videos/unlisted.mp4", "own/set/images/other.png"):
        (made / name).write_text("something else")
    (made / "own/videos/gone.mp4").unlink()
    (made / "own/videos/gone.mp4").symlink_to("/nowhere/else.mp4")
    assert planned(made) == {}


# --- rows of one split, and links -----------------------------------------------------------------

LEARNT = {
    "mine_topics",
    "train_captioner",
    "extract_features train",
    "sample_frames train",
}


@pytest.fixture
def captions(made):
    """The captioning corpus's table, as it was once more when the test is over."""
    path = made / "own/videos/captions.csv"
    content, about = path.read_bytes(), path.stat()
    yield path
    path.write_bytes(content)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


@pytest.mark.parametrize(
    ("edit", "again", "not_again"),
    [
        (
            lambda text: text + "new.mp4,a new clip,test\n",
            {
                "import_corpus",
                "import_split test",
                "sample_frames test",
                "caption_clips test",
            },
            LEARNT | {"import_split train", "import_split val"},
        ),
        (
            lambda text: text.replace("a caption of two.wmv", "another caption"),
            {"import_split val", "sample_frames val", "train_captioner"},
            {
                "mine_topics",
                "extract_features train",
                "extract_features test",
            },
        ),
        (
            lambda text: text.replace("a caption of plain.mp4", "another caption"),
            {
                "import_split train",
                "mine_topics",
                "train_captioner",
                "caption_clips test",
            },
            {"sample_frames val", "sample_frames test"},
        ),
        (
            lambda text: text.replace(f"three.gif,a caption of three.gif{WORDS},test\n", ""),
            {"import_split test", "caption_clips test"},
            LEARNT,
        ),
        (
            lambda text: text.replace(f"three.gif{WORDS},test", f"three.gif{WORDS},train"),
            {
                "import_split train",
                "import_split test",
                "mine_topics",
                "train_captioner",
            },
            {"import_split val", "sample_frames val"},
        ),
        (lambda text: text.replace(",split", ",group"), LEARNT, set()),  # dealt out anew
    ],
    ids=["a new clip", "a caption of val", "of train", "a clip less", "another split", "no splits"],
)
def test_a_split_that_stays_as_it_is_is_not_done_again(made, captions, edit, again, not_again):
    captions.write_text(edit(captions.read_text()))
    jobs = planned(made, of_itself=False).keys()
    assert again <= jobs
    assert not jobs & not_again


def test_links_to_other_places_are_noticed(made):
    """A linked folder and a linked file, led elsewhere."""
    other = made / "nas/other"
    shutil.copytree(made / "nas/cam", other)
    (other / "linked.avi").write_text("another video")
    before = {}
    for name, target in (("cam", other), ("link.flv", other / "linked.avi")):
        link = made / "own/videos" / name
        before[link] = link.readlink()
        link.unlink()
        link.symlink_to(target)
    found = planned(made)
    for link, target in before.items():
        link.unlink()
        link.symlink_to(target)
    assert found.keys() == {"sample_frames val", "sample_frames test"}


def lead_links(folder, old, new):
    for name in ("own/videos/cam", "own/videos/link.flv"):
        place = (folder / name).readlink().relative_to(old)
        (folder / name).unlink()
        (folder / name).symlink_to(new / place)


def test_a_checkout_that_has_moved_does_nothing_again(made):
    other = made.with_name("moved")
    made.rename(other)
    lead_links(other, made, other)
    try:
        assert planned(other) == {}
    finally:
        lead_links(other, other, made)
        other.rename(made)


def test_a_plan_names_the_single_setting_that_has_changed(made):
    original = (made / "params.yaml").read_text()
    write_params(
        made, {"decoding": {"beam": 4}, "summaries": {"crop": {"size": 64, "margin": 0.1}}}
    )
    found = planned(made)
    (made / "params.yaml").write_text(original)
    assert "before: 'decoding.beam = 5' now: 'decoding.beam = 4'" in found["refine_captioner"]
    assert "before: 'crop.margin = 0.0' now: 'crop.margin = 0.1'" in found["crop_images test"]
    crops = {f"crop_images {split}" for split in SPLITS}
    assert found.keys() == {"refine_captioner", "caption_clips test", *crops}
    assert all(len(reason) < 200 for reason in found.values())


# --- other commits --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(made):
    """A worktree of the checkout with another commit, of other settings and files of the user's."""
    folder = made.with_name("tree")
    call(made, "git", "init", "-q", "-b", "first")
    call(made, "git", "add", *FILES, *FOLDERS, "corrections.yaml", "own", "nets")
    call(made, "git", "commit", "-q", "-m", "first")
    call(made, "git", "worktree", "add", "-q", "-b", "other", str(folder))
    write_params(folder, {"decoding": {"beam": 4}})
    for name in ("own/set/label.csv", "nets/sizes.py", TRANSFERRED):
        edit_in_place(folder / name)
    call(folder, "git", "commit", "-q", "-a", "-m", "other")
    yield folder
    shutil.rmtree(made / ".git")


def test_in_a_worktree_all_is_to_be_made(tree):
    assert set().union(*ALL.values()) <= planned(tree, of_itself=False).keys()


def test_another_commit_asks_for_the_readers_of_what_differs_and_the_first_for_nothing(made, tree):
    """Git gives each file that it changes the time of now, which counts of videos alone."""
    about = (made / TRANSFERRED).stat()
    call(made, "git", "checkout", "-q", "--detach", "other")
    assert planned(made).keys() == {
        "refine_captioner", "caption_clips test",  # the settings
        "dissect_layer", "read_activations test", "sample_frames transfer test",
    }  # fmt: skip
    call(made, "git", "checkout", "-q", "first")
    os.utime(made / TRANSFERRED, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert planned(made) == {}


# --- work that was broken off, and taken up after an edit -----------------------------------------


class Break(Exception):
    """Stands for a kill."""


def write_set(folder, images=130):
    """A concept set of more images than a sample would look at; each half red, labelled so."""
    random = np.random.default_rng(0)
    with ConceptWriter(folder, {"color": ["red-c"]}) as writer:
        for k in range(images):
            red = random.random((6, 6)) < 0.5
            picture = np.zeros((6, 6, 3), np.uint8)
            picture[red, 0] = 255
            writer.add(f"{k:03}", picture, masks={"color": red[None].astype(int)})
    return folder


class Until(ConceptSet):
    """A set whose reading breaks off, or goes on after an edit, before a certain image's labels."""

    def __init__(self, folder, at, edit=None):
        super().__init__(folder)
        self._at, self._edit, self._seen = at, edit, 0

    def labels(self, i):
        self._seen += 1
        if self._seen == self._at:
            if self._edit is None:
                raise Break
            self._edit()
        return super().labels(i)


def change_mask(folder, number):
    """Another mask of the same name, size and time, as far as a user can set them."""
    path = folder / f"images/{number:03}_color.png"
    about, size = path.stat(), path.stat().st_size
    other = folder / f"images/{(number + 1) % 130:03}_color.png"
    path.write_bytes(other.read_bytes().ljust(size, b"\0")[: max(size, other.stat().st_size)])
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


HOW = How(level=0.5, batch=10, groups=2)


@pytest.mark.parametrize("number", [1, 64, 101])
@pytest.mark.parametrize("at", [20, 100])
def test_a_dissection_does_not_mix_masks_of_before_and_after(tmp_path, monkeypatch, number, at):
    monkeypatch.setattr(dissect, "_SAVE_SECONDS", -1.0)
    folder, output = write_set(tmp_path / "set"), tmp_path / "units.h5"
    network = nn.Sequential(nn.Identity())
    with pytest.raises(Break):
        dissect_layer(network, "0", Until(folder, at), how=HOW, output=output)
    change_mask(folder, number)
    found = dissect_layer(network, "0", ConceptSet(folder), how=HOW, output=output)
    expected = dissect_layer(network, "0", ConceptSet(folder), how=HOW)
    np.testing.assert_array_equal(found.counts.both, expected.counts.both)
    np.testing.assert_array_equal(found.counts.truth, expected.counts.truth)


def test_a_dissection_during_which_a_mask_changes_is_refused(tmp_path):
    folder, output = write_set(tmp_path / "set"), tmp_path / "units.h5"
    concepts = Until(folder, 50, edit=lambda: change_mask(folder, 3))
    with pytest.raises(InputError, match="have changed while they were read; run again"):
        dissect_layer(nn.Sequential(nn.Identity()), "0", concepts, how=HOW, output=output)
    assert not output.exists()
    assert not list(tmp_path.glob(".*"))
