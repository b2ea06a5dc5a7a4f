"""Histories in which something old could be called current: what is done again, and what is not.

A checkout whose every kind of file is a person's own (videos in linked folders and elsewhere,
weights, modules, concept sets, annotations) stands as if all had been made. Each history edits a
file in one way, and one plan for each way tells what would be done. Histories of resumed work are
tried on the functions.
"""

import os
import re
import shutil

import numpy as np
import pytest
from checkouts import DEFAULT, make_checkout, snakemake, write_params
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
    "results/dissection/tally/model/layer4.combined.0.995.csv",
    "results/dissection/paths.csv",
    "data/summaries/activations/test.h5",
]
OLD = 1_000_000_000  # seconds: long before any output
VIDEOS = {  # of the captioning corpus: name in captions.csv, and the split
    "plain.mp4": "train",
    "cam/linked.avi": "train",  # in a linked folder
    "../elsewhere/out.mkv": "train",  # outside of the source
    "one.ts": "train",
    "two.wmv": "val",
    "link.flv": "test",  # a link to a file
    "three.gif": "test",
}
# Whatever else goes: of a split without any video nothing is planned.
STAYING = {f"staying-{split}.mp4": split for split in ("train", "val", "test")}
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
    write("own/ucf11/basketball/v_shooting_01/v_shooting_01_01.mpg", "video")
    write("own/images/images.csv", "image,label,split\na.png,crow,train\nb.png,owl,test\n")
    write("corrections.yaml", "[]  # whose end may be edited")
    write("own/images/captions.csv", "image,caption\na.png,a black bird\n")
    for name in "ab":
        write(f"own/images/{name}.png", f"picture {name}")
    write("own/set/index.csv", "image,split,ih,iw,sh,sw,color\na.png,train,4,4,4,4,a_color.png\n")
    write("own/set/label.csv", "number,name,category\n1,red,color(1)\n")
    write("own/set/category.csv", "name\ncolor\n")
    write("own/set/images/a.png", "picture")
    write("own/set/images/a_color.png", "mask")
    write("own/regions/sizes.csv", "image,width,height\nx.png,4,4\n")
    write(
        "own/regions/votes.csv", "image,action,stage,round,annotator,yes\nx.png,run,visible,1,p,1\n"
    )
    write("own/regions/boxes.csv", "image,action,round,annotator,x,y,width,height\n")
    write("own/regions/images/x.png", "picture")
    write("own/mistake.png", "picture")
    for name in ("googlenet.pth", "vgg16.pth", "dissected.pth", "explained.pth"):
        write(f"own/{name}", f"weights {name}")
    write("nets/__init__.py", "")
    write(
        "nets/build.py",
        "from nets.parts import block\nfrom . import sizes\n\ndef make():\n    ...\n",
    )
    write("nets/parts.py", "def block():\n    ...\n")
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
        | {"weights": "own/dissected.pth"},
        "sets": {"broden": "own/set", "actions": None},
        "annotations": "own/regions",
        "layers": ["layer3", "layer4"],
        "paths": {**DEFAULT["dissection"]["paths"], "images": ["own/mistake.png"]},
    },
    "summaries": {
        "corpus": {"name": "images", "source": "own/images"},
        "model": {**DEFAULT["summaries"]["model"], "name": "nets.build:make"}
        | {"weights": "own/explained.pth"},
    },
}
TABLES = {  # made from these files: what the plan asks for videos and images
    "captioning/corpus": VIDEOS,
    **{
        f"captioning/splits/{split}": {name: s for name, s in VIDEOS.items() if s == split}
        for split in ("train", "val", "test")
    },
    "transfer/corpus": {"../ucf11/basketball/v_shooting_01/v_shooting_01_01.mpg": "test"},
    "summaries/corpus": {"../images/a.png": "train", "../images/b.png": "test"},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The checkout as it stands after everything ran: made-up outputs, true records."""
    folder = make_checkout(tmp_path_factory.mktemp("histories") / "checkout")
    own_files(folder)
    write_params(folder, OWN)
    plan = snakemake(folder, "-n", "--nocolor", *TARGETS)
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
    snakemake(folder, "--touch", "--forceall", *TARGETS)
    assert planned(folder) == {}
    return folder


def planned(folder, *, of_itself=True):
    """Of each job that would run the reason; `of_itself`: not those for what another makes anew."""
    found = {}
    plan = snakemake(folder, "-n", "--nocolor", *TARGETS)
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
    "own/explained.pth": {"read_activations test"},
    "nets/build.py": {"dissect_layer", "read_activations test"},
    "nets/parts.py": {"dissect_layer", "read_activations test"},
    "nets/sizes.py": {"dissect_layer", "read_activations test"},
    "own/set/label.csv": {"dissect_layer"},
    "own/regions/votes.csv": {"build_action_regions"},
    "own/images/captions.csv": {"import_corpus summaries"},
    "corrections.yaml": {"refine_captioner"},
}
SIZES = {
    "own/videos/plain.mp4": {"sample_frames train"},
    "nas/cam/linked.avi": {"sample_frames train"},
    "own/elsewhere/out.mkv": {"sample_frames train"},
    "own/videos/one.ts": {"sample_frames train"},
    "own/videos/two.wmv": {"sample_frames val"},
    "nas/pool/link.flv": {"sample_frames test"},
    "own/videos/three.gif": {"sample_frames test"},
    "own/ucf11/basketball/v_shooting_01/v_shooting_01_01.mpg": {"sample_frames transfer test"},
    "own/set/images/a.png": {"dissect_layer"},
    "own/set/images/a_color.png": {"dissect_layer"},
    "own/regions/images/x.png": {"write_actions"},
    "own/images/b.png": {"crop_images test"},
}
NOTHING = ["nets/unused.py", "own/videos/gone.mp4"]


ALL = {**CONTENTS, **SIZES}


FIRST = ("own/regions/votes.csv", "own/images/captions.csv", "corrections.yaml")
SECOND = ("own/videos", "own/elsewhere", "nas", "own/ucf11", "own/regions", "own/images")


def group(name):
    """Files that one plan can tell apart: a job names no reason of its own beside another job's."""
    return 0 if name in FIRST else 1 if name.startswith(SECOND) else 2


class Histories:
    """One plan for the files of a group that are edited in one way; asked again, the same one."""

    def __init__(self, folder):
        self.folder, self._plans = folder, {}

    def after(self, edit, name, among):
        """What would be done, and what may be: jobs that read a file of the group."""
        key = (edit, group(name))
        files = [other for other in among if group(other) == group(name)]
        if key not in self._plans:
            kept = {}
            for other in files:
                path = self.folder / other
                kept[path] = path.read_bytes(), path.stat()
                edit(path)
            self._plans[key] = planned(self.folder)
            for path, (content, about) in kept.items():
                path.write_bytes(content)
                path.chmod(about.st_mode)
                os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
        return self._plans[key], set().union(*(among[other] for other in files))


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
    """Of tables, weights and modules."""
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


def touch_alone(path):
    touch(path)


@pytest.mark.parametrize("name", CONTENTS)
def test_the_same_content_does_nothing_again(histories, name):
    """Touched: what counts of tables, weights and modules is their content."""
    assert histories.after(touch_alone, name, CONTENTS)[0] == {}


@pytest.mark.parametrize("name", ALL)
def test_the_same_file_does_nothing_again(histories, name):
    """With other rights, and copied with its time: as on another machine."""
    assert histories.after(copy_it_over_itself, name, ALL)[0] == {}


def test_an_image_that_is_named_by_itself_counts_by_its_content(made):
    path = made / "own/mistake.png"
    content, about = path.read_bytes(), path.stat()
    edit_and_turn_back_the_clock(path)
    assert planned(made).keys() == {"explain_mistakes"}
    path.write_bytes(content)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


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
    assert found.keys() == {"sample_frames train", "sample_frames test"}


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
    assert found.keys() == {"refine_captioner", "caption_clips test", "crop_images test"}
    assert all(len(reason) < 200 for reason in found.values())


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
