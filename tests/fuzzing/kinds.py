"""Every kind of file that a user brings: a valid tiny input, its use, and what must hold then."""

import contextlib
import csv
import functools
import io
import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
import safetensors.torch
import torch
from layouts import write_video
from PIL import Image

from seewhy.backbones import load_backbone
from seewhy.backbones.class_names import read_class_names
from seewhy.backbones.slim_inception import SlimInception
from seewhy.backbones.weights import load_into, read_weights
from seewhy.captioning.checkpoint import load_captioner, save_captioner
from seewhy.captioning.correcting import read_corrections
from seewhy.captioning.data import FeatureFile
from seewhy.captioning.model import Captioner, CaptionerShape
from seewhy.captioning.predictions import read_predictions
from seewhy.corpora.canonical import read_table, schema, table_parts
from seewhy.corpora.folder import read as read_folder
from seewhy.corpora.importing import import_corpus
from seewhy.corpora.prospects import check_corrections as check_corrected
from seewhy.corpora.prospects import lacking, look_ahead, remarks_on
from seewhy.corpora.sources import VIDEO_EXTENSIONS, source_files
from seewhy.corpora.truth import KINDS as MASKS
from seewhy.corpora.truth import Truth, TruthWriter, open_truth
from seewhy.corpora.ucf101 import ACTIONS, TUBE_ACTIONS
from seewhy.dissection.concepts import ConceptSet, ConceptWriter
from seewhy.dissection.given import check_given
from seewhy.dissection.network import ResidualNetwork, load_network, save_network
from seewhy.dissection.regions import build_region_files, read_regions
from seewhy.dissection.tally import read_tally
from seewhy.errors import InputError
from seewhy.grounding.checkpoint import (
    load_action_network,
    load_word_network,
    save_action_network,
    save_word_network,
)
from seewhy.grounding.clips import ClipFile
from seewhy.grounding.networks import (
    VGG,
    CaptionerSizes,
    MeanPoolCaptioner,
    VGGShape,
    vgg_action_network,
)
from seewhy.grounding.untrimmed import UntrimmedFile
from seewhy.pictures import (
    PictureProblem,
    check_picture,
    picture_size,
    read_animation,
    read_mask,
    read_picture,
)
from seewhy.scores.captions import score_captions
from seewhy.setting_references import check_references
from seewhy.settings import check_settings, load_settings, merge, set_by
from seewhy.stamps import stamp_concepts, stamp_contents, stamp_listed, stamp_names, stamp_rows
from seewhy.summaries.given import check_summaries
from seewhy.text.strict import TopicWords
from seewhy.text.tokens import Vocabulary, tokenise
from seewhy.text.vectors import read_topic_vectors
from seewhy.video import VideoProblem, read_clip
from seewhy.video.decoding import steady_frames
from seewhy.video.opening import MAX_LOST

ROOT = Path(__file__).parents[2]


class Kind(NamedTuple):
    """A kind of input.

    Attributes:
        build: writes valid files into a folder, the same each time.
        use: what the package does with the folder, as the workflow or a user's line does it; a
            second folder is for what it writes.
        check: holds what came of it against what must hold, and raises AssertionError.
        weight: how often it is tried, in comparison.
        only: a pattern of the files that are broken; the others are not of this kind.
    """

    build: Callable[[Path], None]
    use: Callable[[Path, Path], Any]
    check: Callable[[Any, Path, Path], None]
    weight: int = 1
    only: str = ""


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def finite(values, least=-np.inf):
    values = np.asarray(values, float)
    assert np.isfinite(values).all(), "a number that is not finite"
    assert (values >= least).all(), f"a number below {least}"


# --- corpora --------------------------------------------------------------------------------------


def importer(name, **settings):
    def use(source, output):
        import_corpus(name, source, output / "corpus", **settings)
        return output / "corpus"

    return use


def check_corpus(corpus, source, output):
    """Tables that hold together, captions with words in them, boxes with an area."""
    tables = {name: read_table(corpus, name) for name in schema()}
    clips = set(tables["clips"]["clip"])
    assert clips
    assert all(re.fullmatch(r"[\w.-]+", clip) for clip in clips)
    assert "train" in set(tables["clips"]["split"]), "nothing to learn from"
    for name in ("captions", "labels", "instances", "segments"):
        assert set(tables[name]["clip"]) <= clips
    assert all(map(tokenise, tables["captions"]["text"])), "a caption without a word"
    assert (tables["segments"]["end"] > tables["segments"]["start"]).all()
    _captions_stand_in(tables["captions"], source)
    if json.loads((corpus / "corpus.json").read_text()).get("truth"):
        return
    with Truth(corpus) as truth:
        for clip in truth.clips:
            assert clip in clips
            boxes = truth.boxes(clip)
            finite(boxes["box"], 0)
            assert (boxes["box"][:, 2:] > 0).all()
            points = truth.key_points(clip)
            finite(points["point"][points["visible"]], 0)


def _captions_stand_in(captions, source):
    """Each caption is one cell or line of the files: none was joined, cut or guessed."""
    path = source / "captions.csv"
    if not path.exists() or not len(captions):
        return
    text = path.read_bytes().decode("utf-8-sig")
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if any(map(str.strip, row))]
    place = [name.strip() for name in rows[0]].index("caption")
    given = [row[place] for row in rows[1:] if row[place]]
    assert sorted(given) == sorted(captions["text"]), "captions are not those of the file"
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip(" ,")]
    assert len(rows) >= len(lines) - sum(cell.count("\n") for row in rows for cell in row)


def build_folder(folder):
    rows = "".join(f"v{n}.mp4,a man runs {n},{s}\n" for n, s in enumerate(["train", "val", "test"]))
    write(folder, {f"v{n}.mp4": b"x" for n in range(3)})
    more = 'v0.mp4,"a dog, a cat",train\nv0.mp4,it is é,train\nv2.mp4,,test\n'
    write(folder, {"captions.csv": f"video,caption,split\n{rows}{more}"})


def build_dealt_folder(folder):
    rows = "".join(f"v{n}.mp4,a man runs {n},g{n // 2}\n" for n in range(8))
    write(folder, {"captions.csv": f"video,caption,group\n{rows}"})


def build_images(folder):
    splits = ("train", "train", "val", "test")
    rows = "".join(f"i{n}.png,bird,{s},{n},2,3.5,4\n" for n, s in enumerate(splits))
    said = "".join(f"i{n}.png,a red bird {n}\n" for n in range(4))
    for n in range(4):
        Image.new("L", (12, 9)).save(folder / f"i{n}.png")
    write(folder, {"images.csv": f"image,label,split,x,y,width,height\n{rows}i9.png,cat,val,,,,\n",
                   "captions.csv": f"image,caption\n{said}"})  # fmt: skip


def build_msvd(folder):
    name = "-a_b{0}_1_{0}".format
    write(folder, {
        "youtube_mapping.txt": "\n".join(f"{name(n)} vid{n}" for n in range(1, 1971)),
        "AllVideoDescriptions.txt": "# notice\n\n" + "".join(
            f"{name(n)} a man runs {n}\n" for n in range(1, 1971)),
    })  # fmt: skip
    for split, numbers in {"train": (1, 1201), "val": (1201, 1301), "test": (1301, 1971)}.items():
        text = "".join(f"vid{n}\ta man runs {n}\n" for n in range(*numbers))
        write(folder, {f"sents_{split}_lc_nopunc.txt": text})


def build_msrvtt(folder):
    for name, splits in {"train_val": ("train", "train", "validate"), "test": ("test",)}.items():
        first = 0 if name == "train_val" else 7010
        videos = [
            {"video_id": f"video{first + n}", "category": n, "url": f"u{n}", "split": split,
             "start time": 1.0, "end time": 2.0, "id": n}
            for n, split in enumerate(splits)
        ]  # fmt: skip
        said = [
            {"sen_id": n, "video_id": video["video_id"], "caption": f"a man runs {n}"}
            for n, video in enumerate(videos * 2)
        ]
        content = {"info": {}, "videos": videos, "sentences": said}
        write(folder, {f"{name}_videodatainfo.json": json.dumps(content)})


def build_ucf11(folder):
    for action in ("basketball", "biking"):
        for group in range(1, 13):
            stem = f"v_{action}_{group:02d}"
            write(folder, {f"{action}/{stem}/{stem}_01.mpg": b"x"})


def build_ucf101(folder):
    names = ["Basketball", "Skijet", *(f"Other{n}" for n in range(ACTIONS - 2))]
    text = "".join(f"{n} {name}\r\n" for n, name in enumerate(names, 1))
    listed, content = {"train": "", "test": ""}, {}
    for action in names[:2]:
        for group in range(1, 5):
            name = f"{action}/v_{action}_g{group:02d}_c01"
            number = f" {names.index(action) + 1}" if group > 1 else ""
            listed["train" if group > 1 else "test"] += f"{name}.avi{number}\n"
            boxes = np.tile(np.array([4, 4, 10, 10], np.uint8), (6, 1))
            tube = {"label": TUBE_ACTIONS.index(action), "sf": 2, "ef": 8, "boxes": boxes}
            content[name] = {"numf": 10, "label": tube["label"], "annotations": [tube]}
    lists = {f"ucfTrainTestlist/{kind}list01.txt": lines for kind, lines in listed.items()}
    write(folder, {"ucfTrainTestlist/classInd.txt": text, **lists})
    write(folder, {"pyannot.pkl": pickle.dumps(content, protocol=3)})


def build_thumos14(folder):
    for split, name in {"val": "validation", "test": "test"}.items():
        for action, numbers in {"Diving": (51, 52), "HighJump": (53, 54)}.items():
            lines = "".join(f"video_{name}_{n:07d}  0.{n % 7} {n}.5\n" for n in numbers)
            write(folder, {f"annotation/{action}_{split}.txt": lines})


def build_thumos14_tables(folder):
    for split, name in {"val": "validation", "test": "test"}.items():
        rows = "".join(
            f"video_{name}_{n:07d},{action},{n},0.5,{n}.5,15,{30 * n}\n"
            for n, action in ((51, "Diving"), (52, "HighJump"), (53, "LongJump"))
        )
        head = "video,type,type_idx,start,end,startFrame,endFrame\n"
        write(folder, {f"{split}_Annotation.csv": head + rows})


def build_flickr30k(folder):
    size = "<size><width>50</width><height>40</height><depth>3</depth></size>"
    corners = "<xmin>1</xmin><ymin>3</ymin><xmax>10</xmax><ymax>20</ymax>"
    thing = f"<object><name>7</name><bndbox>{corners}</bndbox></object>"
    scene = "<object><name>3</name><scene>1</scene><nobndbox>0</nobndbox></object>"
    said = (
        "[/EN#7/people Two guys] see [/EN#9/bodyparts their hands] in [/EN#3/scene a yard] .\n"
        "[/EN#7/people They] wait .\nA phrase - less line .\nOne é .\nAnd another .\n"
    )
    for split, images in {"train": ("36979", "65567"), "val": ("11",), "test": ("12",)}.items():
        write(folder, {f"{split}.txt": "".join(f"{image}\n" for image in images)})
        for image in images:
            xml = f"<annotation><filename>x.jpg</filename>{size}{thing}{scene}</annotation>"
            write(folder, {f"Sentences/{image}.txt": said, f"Annotations/{image}.xml": xml})
    write(folder, {"UNRELATED_CAPTIONS": "# format: <imageID> <sentence number>\n36979 5"})


PARTS = (
    *("back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg"),
    *("left wing", "nape", "right eye", "right leg", "right wing", "tail", "throat"),
)


def build_cub200(folder):
    classes = ("001.Black_footed_Albatross", "002.Laysan_Albatross")
    files = {n: f"{classes[n % 2]}/Bird_{n:04d}_9.jpg" for n in range(1, 9)}
    places = "".join(f"{n} {k} {k + n}.0 {2 * k}.0 1\n" for n in files for k in range(1, 16))
    lists = {
        "classes.txt": "".join(f"{n} {name}\n" for n, name in enumerate(classes, 1)),
        "images.txt": "".join(f"{n} {file}\n" for n, file in files.items()),
        "image_class_labels.txt": "".join(f"{n} {n % 2 + 1}\n" for n in files),
        "train_test_split.txt": "".join(f"{n} {int(n < 7)}\n" for n in files),
        "bounding_boxes.txt": "".join(f"{n} {n}.0 2.5 30.0 20.0\n" for n in files),
        "parts/parts.txt": "".join(f"{k} {name}\n" for k, name in enumerate(PARTS, 1)),
        "parts/part_locs.txt": places,
    }
    write(folder, {f"CUB_200_2011/{name}": text for name, text in lists.items()})
    for n, file in files.items():
        text = "".join(f"bird {n} has a red crown {k}.\n" for k in range(10))
        write(folder, {f"text_c10/{file.removesuffix('.jpg')}.txt": text})


def build_canonical(folder):
    write(folder, {
        "clips.csv": "clip,split,video,start,end\n" + "".join(
            f"c{n},{split},v{n}.mp4,{n}.5,{n + 3}\n"
            for n, split in enumerate(("train", "val", "test"))),
        "captions.csv": "caption,clip,text,correct\nc0.0,c0,a man runs,True\nc1.0,c1,it,False\n",
        "labels.csv": "clip,kind,label\nc0,action,run\nc1,action,jump\n",
        "instances.csv": "clip,instance,class,role\nc0,1,man,actor\nc0,2,ball,object\n",
        "segments.csv": "clip,instance,object,label,start,end\nc0,1,2,run,0,9\n",
        "phrases.csv": "caption,first,last,kind,refers_to\nc0.0,0,2,instance,1\n",
    })  # fmt: skip


def use_canonical(folder, output):
    found = {name: read_table(folder, name) for name in schema()}
    parts = pd.concat(list(table_parts(folder, "clips", rows=2)))
    pd.testing.assert_frame_equal(parts, found["clips"])
    return found


def check_canonical(found, folder, output):
    finite(found["clips"][["start", "end"]].dropna().to_numpy(float), 0)
    both = found["clips"].dropna(subset=["start", "end"])
    assert (both["end"] > both["start"]).all()
    assert (found["segments"]["end"] >= found["segments"]["start"]).all()
    assert (found["phrases"]["last"] > found["phrases"]["first"]).all()
    assert (found["instances"]["instance"] > 0).all()


# --- pictures and videos --------------------------------------------------------------------------

PICTURES = (
    "grey16.png",
    "moving.gif",
    "palette.png",
    "plain.png",
    "scan.tif",
    "turned.jpg",
    "w.webp",
)
VIDEOS = ("v.avi", "v.gif", "v.mp4", "v.mpg")


def build_pictures(folder):
    random, exif = np.random.default_rng(0), Image.Exif()
    exif[0x0112] = 6
    first, *more = [Image.fromarray(random.integers(0, 255, (9, 12, 3), np.uint8)) for _ in "abc"]
    first.save(folder / "plain.png", exif=exif)
    first.save(folder / "scan.tif", exif=exif)
    first.save(folder / "turned.jpg", exif=exif)
    first.save(folder / "w.webp", exif=exif)
    first.save(folder / "moving.gif", save_all=True, append_images=more, duration=100)
    palette = first.quantize(5)
    palette.save(folder / "palette.png", transparency=1)
    Image.fromarray(random.integers(0, 999, (9, 12), np.uint16)).save(folder / "grey16.png")


def use_pictures(folder, output):
    found = {}
    for path in (folder / name for name in PICTURES):
        image = read_picture(path)
        try:
            check_picture(path)
            size = picture_size(path)
        except PictureProblem as problem:
            raise AssertionError(f"it can be read: {problem}") from None
        moments = [one.image for one in read_animation(path)] if path.suffix == ".gif" else []
        found[path.name] = image, size, moments
    labels = read_mask(folder / "grey16.png")
    return found, labels


def check_pictures(found, folder, output):
    pictures, labels = found
    for image, size, moments in pictures.values():
        assert image.shape == (*size[::-1], 3)
        for one in (image, *moments):  # those of a GIF may reach beyond its first
            assert one.dtype == np.uint8
            assert one.shape[2:] == (3,)
    assert labels.ndim == 2
    assert 0 <= labels.min() <= labels.max() <= 65535


def build_videos(folder):
    for name in VIDEOS:
        if name.endswith(".gif"):
            first, *more = [Image.new("RGB", (32, 32), (50 * n,) * 3) for n in range(4)]
            first.save(folder / name, save_all=True, append_images=more, duration=40)
        else:
            write_video(folder / name)


def use_videos(folder, output):
    found = {}
    for name in VIDEOS:
        try:
            clip = read_clip(folder / name, n=4, size=8)
            steady = sum(one.image.shape == (8, 8, 3) for one in steady_frames(
                folder / name, rate=5, size=8))  # fmt: skip
        except VideoProblem as problem:  # told with the file by `seewhy.frames`
            raise InputError(f"{folder / name}: {problem}") from None
        found[name] = clip, steady
    return found


def check_videos(found, folder, output):
    for clip, steady in found.values():
        assert clip.frames.dtype == np.uint8
        assert clip.frames.shape == (min(4, clip.count), 8, 8, 3)
        assert min(clip.count, steady, *clip.shape) > 0
        assert clip.lost <= MAX_LOST * (clip.count + clip.lost)
        assert bool(clip.lost) == bool(clip.remark)


# --- annotations and concept sets -----------------------------------------------------------------


def build_annotations(folder):
    write(folder, {
        "sizes.csv": "image,width,height\na.jpg,40,30\nb.jpg,50,60\n",
        "votes.csv": "image,action,stage,round,annotator,yes\n" + "".join(
            f"{image},run,{stage},1,{who},{yes}\n"
            for image in ("a.jpg", "b.jpg") for stage in ("visible", "region")
            for who, yes in (("ann", "yes"), ("bob", "1"), ("cy", "no"))),
        "boxes.csv": "image,action,round,annotator,x,y,width,height\n" + "".join(
            f"{image},run,1,{who},{x},2,20.5,20\n"
            for image in ("a.jpg", "b.jpg") for x, who in ((1, "ann"), (3, "bob")))
            + "b.jpg,run,1,cy,,,,\n",
    })  # fmt: skip


def use_annotations(folder, output):
    build_region_files(
        *(folder / name for name in ("boxes.csv", "votes.csv", "sizes.csv")),
        regions_path=output / "regions.csv",
        summary_path=output / "summary.csv",
        visible_rounds=1,
        rounds=1,
    )
    return read_regions(output / "regions.csv")


def check_annotations(regions, folder, output):
    assert output.joinpath("summary.csv").exists()
    finite(regions[["pixels", "width", "height"]].to_numpy(float), 1)
    assert (regions["pixels"] <= regions["width"] * regions["height"]).all()


def build_regions(folder):
    build_annotations(folder)
    use_annotations(folder, folder)
    for name in ("sizes.csv", "votes.csv", "boxes.csv", "summary.csv"):
        (folder / name).unlink()


def build_concepts(folder):
    random = np.random.default_rng(0)
    names = {"object": ["dog", "cat"], "scene": ["street", "yard"]}
    with ConceptWriter(folder / "set", names) as writer:
        for n in range(3):
            masks = {"object": random.integers(0, 3, (1 + n % 2, 6, 8))}
            picture = random.integers(0, 255, (12, 16, 3), dtype=np.uint8)
            writer.add(f"i{n}", picture, masks=masks, whole={"scene": ["yard"]}, group=f"g{n}")


def use_concepts(folder, output):
    concepts = ConceptSet(folder / "set")
    return concepts, [(concepts.image(i), concepts.labels(i)) for i in range(len(concepts))]


def check_concepts(found, folder, output):
    concepts, images = found
    assert len(concepts.names) == len(concepts.category) <= 1 << 16
    assert (concepts.category < len(concepts.categories)).all()
    for i, (image, labels) in enumerate(images):
        assert image.ndim == 3
        assert min(concepts.mask_size(i)) > 0
        assert labels.planes.shape[1:] == concepts.mask_size(i)
        for number in (*labels.whole, *np.unique(labels.planes)):
            assert 0 <= number < len(concepts.names)


def build_tally(folder):
    rows = "".join(f"{n},object,dog,0.{n}5\n" for n in range(1, 5))
    write(folder, {"tally.csv": f"unit,category,label,score\n{rows}"})


# --- texts ----------------------------------------------------------------------------------------


def build_predictions(folder):
    records = [{"clip": f"c{n}", "caption": f"a man runs {n}", "log_probability": -2.1,
                "attention": [[0.5, 0.5]]} for n in range(4)]  # fmt: skip
    write(folder, {"captions.jsonl": "".join(json.dumps(one) + "\n" for one in records)})


def use_predictions(folder, output):
    said = read_predictions(folder / "captions.jsonl")
    references = {clip: ["a man runs", "someone runs away"] for clip in said}
    return said, score_captions(said, references, meteor=False) if said else None


def check_predictions(found, folder, output):
    said, scores = found
    lines = (folder / "captions.jsonl").read_bytes().decode("utf-8-sig")
    assert len(said) == sum(bool(line.strip()) for line in re.split(r"\r\n|\r|\n", lines))
    assert all(isinstance(one, str) for pair in said.items() for one in pair)
    if scores is not None:
        for name, value in scores.corpus().items():
            assert 0 <= value <= (10 if name == "CIDEr" else 1 + 1e-9), (name, value)


def build_corrections(folder):
    entries = "- clip: test00012\n  topics: [dancing, dog]\n- {clip: 00013, topics: run}\n"
    write(folder, {"corrections.yaml": entries})


def check_corrections(found, folder, output):
    clips = [clip for clip, _ in found]
    assert len(set(clips)) == len(clips)
    assert all(topics and all(isinstance(t, str) and t for t in topics) for _, topics in found)


def build_vectors(folder):
    rows = "".join(f"c{n},{s},{n % 2},1\n" for n, s in enumerate(("train", "val", "test")))
    write(folder, {"topics.csv": f"clip,split,dancing,dog\n{rows}"})


def check_vectors(found, folder, output):
    assert set(np.unique(found)) <= {0, 1}
    assert found.index.is_unique


def build_topics(folder):
    about = {"topics": [{"name": "run", "strict": ["a"]}, {"name": "dog", "strict": ["b", "c"]}],
             "vocabulary": ["a", "b", "c"], "settings": {"engine": "gibbs"}}  # fmt: skip
    write(folder, {"topics.json": json.dumps(about)})
    with h5py.File(folder / "topics.h5", "w") as file:
        file["topic_word"] = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])


def use_topics(folder, output):
    found = TopicWords.load(folder / "topics.json")
    return found, [found.find(word) for word in found.words]


def check_topics(found, folder, output):
    topics, places = found
    assert len(topics.strict) == len(topics.names)
    assert all(0 <= place < len(topics.names) for place in places)
    finite(topics.topic_word, 0)


# --- HDF5 -----------------------------------------------------------------------------------------


def build_frames(folder):
    with h5py.File(folder / "frames.h5", "w") as file:
        file["frames"] = np.random.default_rng(0).integers(0, 255, (3, 4, 8, 8, 3), np.uint8)
        file["lengths"] = np.array([4, 2, 0], np.int32)
        file["counts"] = np.array([9, 2, 0], np.int32)
        file.create_dataset("clip", data=["a", "b", "c"], dtype=h5py.string_dtype())


def use_frames(folder, output):
    file = ClipFile(folder / "frames.h5")
    rows = [row for row, length in enumerate(file.lengths) if length]
    return file, file.steps(rows, 3) if rows else np.zeros((0, 3, 8, 8, 3), np.uint8)


def check_frames(found, folder, output):
    file, frames = found
    assert len(file.clips) == len(file.lengths)
    assert frames.dtype == np.uint8
    assert frames.shape[1:] == (3, file.size, file.size, 3)


def build_features(folder):
    with h5py.File(folder / "features.h5", "w") as file:
        file["features"] = np.random.default_rng(0).random((3, 4, 6), np.float32)
        file["lengths"] = np.array([4, 2, 3], np.int32)
        file.create_dataset("clip", data=["a", "b", "c"], dtype=h5py.string_dtype())
        file.attrs["weights"] = "made up"


def use_features(folder, output):
    file = FeatureFile(folder / "features.h5")
    batches = list(file.batches([range(len(file.clips))]))
    return file, file.sample(8), batches


def check_features(found, folder, output):
    file, sample, ((features, lengths),) = found
    assert features.shape == tuple(file.shape)
    assert len(set(file.clips)) == len(file.clips) == len(lengths)
    finite(features)
    assert (lengths >= 0).all()
    assert (lengths <= file.shape[1]).all()
    for one in sample:
        finite(one)


def build_untrimmed(folder):
    with h5py.File(folder / "fc7.h5", "w") as file:
        file["features"] = np.random.default_rng(0).random((7, 5), np.float32)
        file["times"] = np.arange(7) / 2
        file["offsets"] = np.array([0, 4, 7])
        file["fps"] = np.array([25.0, 30.0])
        file.create_dataset("clip", data=["a", "b"], dtype=h5py.string_dtype())
        file.attrs["rate"] = 2.0


def use_untrimmed(folder, output):
    file = UntrimmedFile(folder / "fc7.h5")
    return file, [file.features(row) for row in range(len(file.clips))]


def check_untrimmed(found, folder, output):
    file, features = found
    assert file.rate > 0
    assert len(file.fps) == len(file.clips) == len(features)
    for frames, one in zip(file.frames, features, strict=True):
        assert one.shape == (frames, file.width)
        finite(one)


def build_truth(folder):
    element = {"class": "man", "part": "head", "colour": "red", "texture": "plain",
               "rgb": np.zeros((2, 3), np.uint8)}  # fmt: skip
    elements = [{"instance": 0, **element}, {"instance": 1, **element}, {"instance": 2, **element}]
    with TruthWriter(folder / "truth.h5") as writer:
        for clip in ("a", "b"):
            frame = np.array([0, 1])
            writer.append(
                clip,
                boxes={"frame": frame, "instance": frame + 1, "box": [[1, 2, 3, 4], [2, 2, 2, 2]]},
                code=np.random.default_rng(0).integers(0, 3, (2, 6, 8), np.uint8),
                elements=elements,
                key_points={"frame": frame, "instance": frame + 1, "point": [[1, 2], [3, 4]],
                            "visible": [True, False], "name": ["head", "hand"]},
            )  # fmt: skip


def use_truth(folder, output):
    with open_truth(folder) as truth:
        return {
            clip: (truth.boxes(clip), truth.key_points(clip),
                   {kind: truth.masks(clip, kind) for kind in MASKS} if truth.has_masks else {})
            for clip in truth.clips
        }  # fmt: skip


def check_truth(found, folder, output):
    for boxes, points, masks in found.values():
        finite(boxes["box"][:, 2:], 0)
        finite(boxes["box"])
        assert all(isinstance(name, str) for name in points["name"])
        finite(points["point"][points["visible"]])
        frames = [len(values) for values, _ in masks.values()]
        for rows in (boxes, points):
            assert (rows["frame"] >= 0).all()
            assert (rows["frame"] < min(frames, default=np.inf)).all()
            assert (rows["instance"] >= 0).all()
        for values, names in masks.values():
            assert values.min(initial=0) >= 0
            assert values.max(initial=0) < len(names)


# --- networks -------------------------------------------------------------------------------------

SHAPE = VGGShape(groups=((4,), (4,)), linear=(6,), size=8)


def build_captioner(folder):
    shape = CaptionerShape(vocabulary=7, topics=2, cnn=4, encoder=3, embedding=3, decoder=3,
                           attention=2, interpreter=2)  # fmt: skip
    torch.manual_seed(0)
    words = Vocabulary(["a", "man", "runs"])
    save_captioner(folder / "c.safetensors", Captioner(shape), words, backbone="made up")


def build_action_network(folder):
    torch.manual_seed(0)
    network = vgg_action_network(SHAPE, ["run", "jump"], hidden=3, lags=(1,))
    save_action_network(folder / "n.safetensors", network, SHAPE)


def build_word_network(folder):
    torch.manual_seed(0)
    cnn = VGG(SHAPE)
    captioner = MeanPoolCaptioner(cnn, cnn.outputs, CaptionerSizes(7, 3, 3), size=8)
    save_word_network(folder / "w.safetensors", captioner, SHAPE, Vocabulary(["a", "man", "runs"]))


def build_backbone(folder):
    torch.manual_seed(0)
    network = SlimInception({"class": 3})
    about = {"architecture": "slim_inception", "heads": {"class": 3}, "settings": {}}
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    content = safetensors.torch.save(tensors, {"seewhy": json.dumps(about)})
    write(folder, {"b.safetensors": content})


def use_backbone(folder, output):
    return load_backbone("slim_inception", folder / "b.safetensors").network


def build_dissected(folder):
    torch.manual_seed(0)
    save_network(folder / "d.safetensors", ResidualNetwork((2, 2, 2, 2), ["run", "jump"]))


def build_weights(folder):
    torch.manual_seed(0)
    tensors = torch.nn.Linear(3, 2).state_dict()
    torch.save(tensors, folder / "w.pth")
    write(folder, {"w.safetensors": safetensors.torch.save(tensors)})


def use_weights(folder, output):
    found = []
    for name in ("w.pth", "w.safetensors"):
        network = torch.nn.Linear(3, 2)
        load_into(network, read_weights(folder / name)[0], folder / name, "linear")
        found.append(network)
    return found


def check_network(found, folder, output):
    network = found[0] if isinstance(found, tuple) else found
    for value in network.state_dict().values():
        finite(value)
    assert not network.training


def check_networks(found, folder, output):
    for network in found:
        for value in network.state_dict().values():
            finite(value)


# --- settings -------------------------------------------------------------------------------------


def build_class_names(folder):
    write(folder, {
        "plain.txt": "clapping\npraying\ndropping\n",
        "numbered.txt": "/a/airfield 0\n/a/alley 1\n",
        "names.json": '{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}',
    })  # fmt: skip


def use_class_names(folder, output):
    return [read_class_names(folder / n) for n in ("plain.txt", "numbered.txt", "names.json")]


def check_class_names(found, folder, output):
    for names in found:
        assert names
        assert all(isinstance(name, str) and name for name in names)


SCHEMA = ROOT / "workflow/schemas/params.schema.yaml"


def build_params(folder):
    write(folder, {"params.yaml": (ROOT / "params.yaml").read_bytes()})


def use_params(folder, output):
    sources = load_settings(folder / "params.yaml")
    settings = merge(sources)
    check_settings(settings, SCHEMA, sources=sources)
    check_references(settings)
    return settings


def check_params(found, folder, output):
    assert isinstance(found, dict)
    json.dumps(found, allow_nan=False)


NOUNS = ("dog", "cat", "horse", "bird", "ball", "car", "table", "woman", "onion", "guitar", "pan")


def build_plan(folder):
    """A person's own settings, over those of params.yaml, and all that they name."""
    rows = ""
    for split, count in {"train": 12, "val": 4, "test": 4}.items():
        for n in range(count):
            said = " ".join(NOUNS[(n + k) % len(NOUNS)] for k in range(5))
            rows += f"{split}{n}.mp4,a {said},{split}\n"
            write(folder, {f"own/{split}{n}.mp4": b"x"})
    build_annotations(folder / "said")
    build_concepts(folder)
    write(folder, {
        "own/captions.csv": f"video,caption,split\n{rows}",
        "said/images/a.jpg": b"x",
        "classes.txt": "clapping\npraying\n",
        "corrections.yaml": "- clip: test0.mp4\n  topics: [dog, pan]\n",
        "mine.yaml": "corpus:\n  name: folder\n  source: own\n"
        "refinement:\n  corrections: corrections.yaml\n"
        "dissection:\n  annotations: said\n  sets: {broden: set}\n  nulls: 1\n"
        "  model: {classes: classes.txt}\n"
        "summaries:\n  model: {classes: classes.txt}\n",
    })  # fmt: skip


@functools.cache
def _default_settings():
    return load_settings(ROOT / "params.yaml")


def use_plan(folder, output):
    """What workflow/rules/common.smk and its stamps do at every start."""
    with contextlib.chdir(folder):
        mine = load_settings("params.yaml", further=[folder / "mine.yaml"])
        sources = [*_default_settings(), *mine]
        settings = merge(sources)
        check_settings(settings, SCHEMA, sources=sources)
        check_references(settings, sources=sources)
        check_given(settings["dissection"], sources=sources)
        check_summaries(settings["summaries"], sources=sources)
        source = settings["corpus"]["source"]
        made = source if source == "data/puppets/trimmed" else None
        where = set_by(["corpus", "source"], sources)
        files = source_files(**settings["corpus"], made=made, where=where)
        known = look_ahead(settings)
        lacking(settings, known)
        corrections = settings["refinement"]["corrections"]
        if os.path.isfile(corrections):
            check_corrected(read_corrections(corrections), corrections, settings, known)
        remarks_on(known, settings)
        stamps = [
            stamp_contents([*files, corrections, "classes.txt", "mine.yaml"], cache=None),
            stamp_names(source, VIDEO_EXTENSIONS),
            stamp_listed("said/sizes.csv", "said/images", "image"),
            stamp_concepts("set"),
            *(stamp_rows(file, "train", ["train", "val", "test"]) for file in files[:1]),
        ]
    return settings, known, stamps


def check_plan(found, folder, output):
    *_, stamps = found
    assert all(re.fullmatch(r"(\d+ (files|rows), \w{4,16}(; )?)+", stamp) for stamp in stamps)


def check_plan_of_folder(found, folder, output):
    """What will be imported was looked at."""
    check_plan(found, folder, output)
    settings, known, _ = found
    with contextlib.chdir(folder):
        try:
            tables, _ = read_folder(Path(settings["corpus"]["source"]), **settings["folder"])
        except InputError:
            return
    assert known.own is not None, "a table that is imported was passed over"
    clips = tables["clips"].set_index("clip")
    assert known.own.split == clips["split"].to_dict()
    assert known.own.video == clips["video"].to_dict()
    captions = tables["captions"].groupby("clip")["text"].agg(list)
    assert known.own.captions == captions.to_dict()


KINDS = {
    "folder": Kind(
        build_folder, importer("folder", shares={"train": 0.6, "val": 0.2, "test": 0.2}, seed=0),
        check_corpus, weight=6, only=r"captions\.csv",
    ),
    "folder dealt out": Kind(
        build_dealt_folder,
        importer("folder", shares={"train": 0.6, "val": 0.2, "test": 0.2}, seed=0),
        check_corpus, weight=2,
    ),
    "images": Kind(
        build_images, importer("images"), check_corpus, weight=5, only=r".*\.csv"
    ),
    "pictures": Kind(build_pictures, use_pictures, check_pictures, weight=5),
    "videos": Kind(build_videos, use_videos, check_videos, weight=4),
    "msvd": Kind(build_msvd, importer("msvd"), check_corpus),
    "msrvtt": Kind(build_msrvtt, importer("msrvtt"), check_corpus, weight=4),
    "ucf11": Kind(build_ucf11, importer("ucf11", split="group", seed=0), check_corpus),
    "ucf101": Kind(
        build_ucf101, importer("ucf101", split=1, classes=24, val_groups=1, seed=0), check_corpus,
        weight=4,
    ),
    "thumos14": Kind(build_thumos14, importer("thumos14", val_share=0.1, seed=0), check_corpus),
    "thumos14 tables": Kind(
        build_thumos14_tables, importer("thumos14", val_share=0.4, seed=0), check_corpus
    ),
    "flickr30k": Kind(build_flickr30k, importer("flickr30k"), check_corpus, weight=3),
    "cub200": Kind(
        build_cub200, importer("cub200", classes=200, val_share=0.2, seed=0), check_corpus, weight=4
    ),
    "canonical tables": Kind(build_canonical, use_canonical, check_canonical, weight=4),
    "annotations": Kind(build_annotations, use_annotations, check_annotations, weight=5),
    "regions": Kind(
        build_regions, lambda folder, output: read_regions(folder / "regions.csv"),
        lambda found, folder, output: finite(found["pixels"], 1), weight=2,
    ),
    "concept set": Kind(build_concepts, use_concepts, check_concepts, weight=4),
    "tally": Kind(
        build_tally, lambda folder, output: read_tally(folder / "tally.csv"),
        lambda found, folder, output: finite(found["score"]),
    ),
    "predictions": Kind(build_predictions, use_predictions, check_predictions, weight=3),
    "corrections": Kind(
        build_corrections, lambda folder, output: read_corrections(folder / "corrections.yaml"),
        check_corrections, weight=3,
    ),
    "topic vectors": Kind(
        build_vectors, lambda folder, output: read_topic_vectors(folder / "topics.csv"),
        check_vectors,
    ),
    "topics": Kind(build_topics, use_topics, check_topics, weight=2),
    "frames": Kind(build_frames, use_frames, check_frames, weight=4),
    "features": Kind(build_features, use_features, check_features, weight=4),
    "fc7 of videos": Kind(build_untrimmed, use_untrimmed, check_untrimmed, weight=3),
    "truth": Kind(build_truth, use_truth, check_truth, weight=5),
    "captioner": Kind(
        build_captioner, lambda folder, output: load_captioner(folder / "c.safetensors"),
        check_network, weight=3,
    ),
    "action network": Kind(
        build_action_network, lambda folder, output: load_action_network(folder / "n.safetensors"),
        check_network, weight=3,
    ),
    "word network": Kind(
        build_word_network, lambda folder, output: load_word_network(folder / "w.safetensors"),
        check_network, weight=3,
    ),
    "dissected network": Kind(
        build_dissected, lambda folder, output: load_network(folder / "d.safetensors"),
        check_network, weight=2,
    ),
    "settings": Kind(build_params, use_params, check_params, weight=4),
    "plan": Kind(
        build_plan, use_plan, check_plan, weight=4,
        only=r"(mine|corrections)\.yaml|classes\.txt|(\w+)\.csv",
    ),
    "plan of a folder": Kind(
        build_plan, use_plan, check_plan_of_folder, weight=3, only=r"captions\.csv"
    ),
    "class names": Kind(build_class_names, use_class_names, check_class_names, weight=2),
    "backbone": Kind(build_backbone, use_backbone, check_network),
    "weights": Kind(build_weights, use_weights, check_networks, weight=4),
}  # fmt: skip
