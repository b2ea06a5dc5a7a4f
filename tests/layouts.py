"""Tiny data sets in the layouts in which the real ones and their copies lie on disks.

Each function fills a folder: a few real videos (or pictures) of 32 pixels with the annotation files
that come with them. `LAYOUTS` has every video adapter with its layouts.
"""

import functools
import io
import json
import pickle
import shutil

import av
import numpy as np
from PIL import Image

FORMATS = {".avi": "avi", ".mp4": "mp4", ".mpg": "mpeg"}
CODECS = {".avi": "mpeg4", ".mp4": "mpeg4", ".mpg": "mpeg1video"}
WORDS = ("a man is riding a horse", "a woman is slicing an onion", "a dog runs on the grass")


@functools.cache
def _video(ending, frames=10):
    """A video whose brightness rises."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=FORMATS[ending]) as container:
        stream = container.add_stream(CODECS[ending], rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            picture = np.full((32, 32, 3), 20 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def write_video(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_video(path.suffix))


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def youtube(n):
    return f"-a_b{n // 3}_{n}_{n + 9}"


# Clips of MSVD, and of MSR-VTT, that the tiny copies have: train, val and test.
MSVD_CLIPS = (*range(1, 7), *range(1201, 1204), *range(1301, 1305))
MSRVTT_CLIPS = (*range(6), *range(6513, 6516), *range(7010, 7014))


def msvd(folder, *, videos="YouTubeClips/{}.avi", texts="", name=youtube, together=False):
    """All 1,970 clips in the mapping, captions and videos of a few.

    `videos` and `texts` say where they lie, `name` what a video is called; `together`: captions as
    AllVideoDescriptions.txt.
    """
    lines = [f"{youtube(n)} vid{n}" for n in range(1, 1971)]
    write(folder / texts / "youtube_mapping.txt", "\n".join(lines))
    for n in MSVD_CLIPS:
        write_video(folder / videos.format(name(n)))
    said = [(n, f"{WORDS[n % 3]} {k}") for n in MSVD_CLIPS for k in ("again", "there")]
    if together:
        text = "# notice\n\n" + "".join(f"{youtube(n)} {words}\n" for n, words in said)
        write(folder / texts / "AllVideoDescriptions.txt", text)
        return
    for split, numbers in {"train": (1, 1201), "val": (1201, 1301), "test": (1301, 1971)}.items():
        text = "".join(f"vid{n}\t{words}\n" for n, words in said if n in range(*numbers))
        write(folder / texts / f"sents_{split}_lc_nopunc.txt", text)


def msrvtt_split(n):
    return "train" if n < 6513 else "validate" if n < 7010 else "test"


def msrvtt(folder, *, form="official", videos=None, lists=None):
    """As the authors gave it, as the zip of Frozen in Time has it, or as CLIP4Clip's data."""
    captions = [(n, f"{WORDS[n % 3]} {k}") for n in MSRVTT_CLIPS for k in range(3)]
    about = [
        {"video_id": f"video{n}", "category": n % 20, "url": f"u{n // 2}", "split": msrvtt_split(n),
         "start time": 1.0, "end time": 2.0, "id": n}
        for n in MSRVTT_CLIPS
    ]  # fmt: skip
    sentences = [
        {"sen_id": place, "video_id": f"video{n}", "caption": words}
        for place, (n, words) in enumerate(captions)
    ]
    if form == "official":
        for name, splits in {"train_val": ("train", "validate"), "test": ("test",)}.items():
            own = [video for video in about if video["split"] in splits]
            ids = {video["video_id"] for video in own}
            said = [sentence for sentence in sentences if sentence["video_id"] in ids]
            content = {"info": {}, "videos": own, "sentences": said}
            write(folder / f"{name}_videodatainfo.json", json.dumps(content))
    elif form == "clip4clip":
        content = {"info": {}, "videos": about, "sentences": sentences}
        write(folder / "msrvtt_data/MSRVTT_data.json", json.dumps(content))
        write(folder / "msrvtt_data/MSRVTT_train.9k.csv", "video_id\nvideo0\n")
    else:
        annotations = [
            {"image_id": f"video{n}", "caption": words, "id": place}
            for place, (n, words) in enumerate(captions)
        ]
        write(folder / "annotation/MSR_VTT.json", json.dumps({"annotations": annotations}))
        for split, names in (lists or {}).items():
            path = f"high-quality/structured-symlinks/{split}_list_full.txt"
            write(folder / path, "".join(f"{name}\n" for name in names))
    for n in MSRVTT_CLIPS:
        own = "TestVideo/{}.mp4" if n >= 7010 else "TrainValVideo/{}.mp4"
        write_video(folder / (videos or own).format(f"video{n}"))


def frozen_in_time(folder):
    names = {"train": range(6), "val": range(6513, 6516), "test": range(7010, 7014)}
    lists = {split: [f"video{n}" for n in numbers] for split, numbers in names.items()}
    msrvtt(folder / "MSRVTT", form="frozen", videos="videos/all/{}.mp4", lists=lists)


UCF11_STEMS = {"basketball": "shooting", "biking": "biking", "diving": "diving"}


def ucf11(folder, *, below="", ending=".mpg"):
    for action, stem in UCF11_STEMS.items():
        write(folder / below / action / f"Annotation/v_{stem}_01/v_{stem}_01_01.xgtf", "")
        for group in range(1, 5):
            name = f"v_{stem}_{group:02d}"
            for number in (1, 2):
                write_video(folder / below / action / name / f"{name}_{number:02d}{ending}")


UCF101_ACTIONS = ("Basketball", "Skijet")


def ucf101(folder, *, lists="ucfTrainTestlist", videos="UCF-101/{}.avi", tubes="pyannot.pkl"):
    from seewhy.corpora.ucf101 import ACTIONS, TUBE_ACTIONS

    names = [*UCF101_ACTIONS, *(f"Other{n}" for n in range(ACTIONS - 2))]
    text = "".join(f"{n} {name}\r\n" for n, name in enumerate(names, 1))
    write(folder / lists / "classInd.txt", text)
    listed = {"train": [], "test": []}
    content = {}
    for action in UCF101_ACTIONS:
        for group in range(1, 5):
            name = f"{action}/v_{action}_g{group:02d}_c01"
            write_video(folder / videos.format(name))
            kind = "train" if group > 1 else "test"
            number = f" {names.index(action) + 1}" if group > 1 else ""
            listed[kind].append(f"{name}.avi{number}\n")
            boxes = np.tile(np.array([4, 4, 10, 10], np.uint8), (6, 1))
            tube = {"label": TUBE_ACTIONS.index(action), "sf": 2, "ef": 8, "boxes": boxes}
            content[name] = {"numf": 10, "label": tube["label"], "annotations": [tube]}
    for kind, lines in listed.items():
        write(folder / lists / f"{kind}list01.txt", "".join(lines))
    if tubes:
        (folder / tubes).parent.mkdir(parents=True, exist_ok=True)
        (folder / tubes).write_bytes(pickle.dumps(content, protocol=3))


def thumos14(folder, *, videos="{}/{}.mp4", annotations="annotation", splits=None):
    splits = splits or {"val": "validation", "test": "test"}
    for split, word in {"val": "validation", "test": "test"}.items():
        for action, numbers in {"Diving": (51, 52), "HighJump": (53, 54)}.items():
            names = [f"video_{word}_{n:07d}" for n in numbers]
            lines = "".join(f"{name}  0.0 0.2\n" for name in names)
            write(folder / annotations.format(split) / f"{action}_{split}.txt", lines)
            for name in names:
                write_video(folder / videos.format(splits[split], name))


FLICKR30K_IMAGES = {"train": ("36979", "65567"), "val": ("1000092795",), "test": ("10002456",)}


def flickr30k(folder, *, images="flickr30k-images", texts="", marked=""):
    objects = (
        "<object><name>7</name><bndbox><xmin>1</xmin><ymin>3</ymin><xmax>10</xmax><ymax>20</ymax>"
        "</bndbox></object>"
    )
    size = "<size><width>50</width><height>40</height><depth>3</depth></size>"
    for split, names in FLICKR30K_IMAGES.items():
        write(folder / texts / f"{split}.txt", "".join(f"{name}\n" for name in names))
        for name in names:
            said = "".join(f"[/EN#7/people Two men] {words} .\n" for words in (*WORDS, "wait", "x"))
            write(folder / marked / f"Sentences/{name}.txt", said)
            xml = f"<annotation>{size}{objects}</annotation>"
            write(folder / marked / f"Annotations/{name}.xml", xml)
            path = folder / images / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(path)


NOUNS = (
    *("dog", "cat", "horse", "bird", "ball", "car", "table", "onion", "guitar", "pan", "river"),
    *("bicycle", "ladder"),
)


def own_folder(folder, *, counts=None, split=True):
    """A person's own videos: `counts` of train, val and test; each noun is in two of three."""
    counts = counts or {"train": 6, "val": 3, "test": 3}
    rows = ["video,caption" + (",split" if split else "")]
    for name, count in counts.items():
        for number in range(count):
            video = f"{name}{number}.mp4"
            write_video(folder / video)
            nouns = [noun for place, noun in enumerate(NOUNS) if (place + len(rows) // 2) % 3]
            texts = (" ".join(["a", *nouns]), WORDS[number % 3])
            rows += [f"{video},{text}" + (f",{name}" if split else "") for text in texts]
    write(folder / "captions.csv", "\n".join(rows) + "\n")


def _deeper(build):
    """The same, one folder further down."""

    def built(folder):
        build(folder / "unpacked")

    return built


def _linked(build):
    """The same, behind a link."""

    def built(folder):
        real = folder.parent / f"{folder.name}-elsewhere"
        build(real)
        folder.mkdir(parents=True)
        for one in real.iterdir():
            (folder / one.name).symlink_to(one)

    return built


LAYOUTS = {
    "msvd": {
        "its own": msvd,
        "one folder deeper": _deeper(msvd),
        "behind links": _linked(msvd),
        "videos by number, mp4": functools.partial(
            msvd, videos="raw/{}.mp4", texts="captions", name=lambda n: f"vid{n}"
        ),
        "all descriptions": functools.partial(msvd, together=True, texts="annotations"),
    },
    "msrvtt": {
        "its own": msrvtt,
        "one folder deeper": _deeper(msrvtt),
        "behind links": _linked(msrvtt),
        "Frozen in Time": frozen_in_time,
        "Frozen in Time without lists": functools.partial(
            msrvtt, form="frozen", videos="videos/all/{}.mp4"
        ),
        "CLIP4Clip": functools.partial(msrvtt, form="clip4clip", videos="MSRVTT_Videos/{}.mp4"),
    },
    "ucf11": {
        "its own": ucf11,
        "one folder deeper": functools.partial(ucf11, below="UCF11_updated_mpg"),
        "behind links": _linked(ucf11),
        "avi": functools.partial(ucf11, below="action_youtube_naudio", ending=".avi"),
    },
    "ucf101": {
        "its own": ucf101,
        "one folder deeper": _deeper(ucf101),
        "behind links": _linked(ucf101),
        "annotations and videos": functools.partial(
            ucf101, lists="annotations", videos="videos/{}.avi"
        ),
        "lists as unpacked, videos in mp4": functools.partial(
            ucf101,
            lists="UCF101TrainTestSplits-RecognitionTask/ucfTrainTestlist",
            videos="UCF101/UCF-101/{}.mp4",
            tubes="annots/pyannot.pkl",
        ),
    },
    "thumos14": {
        "its own": thumos14,
        "one folder deeper": _deeper(thumos14),
        "behind links": _linked(thumos14),
        "as unpacked": functools.partial(
            thumos14,
            annotations="TH14_Temporal_annotations_{}/annotation",
            splits={"val": "TH14_validation_set_mp4", "test": "TH14_Test_set_mp4"},
        ),
        "Videos and annotations": functools.partial(
            thumos14,
            videos="Videos/{}_mp4/{}.mp4",
            annotations="annotations/annotations_{}",
        ),
    },
    "flickr30k": {
        "its own": flickr30k,
        "one folder deeper": _deeper(flickr30k),
        "behind links": _linked(flickr30k),
        "a clone of the annotations beside the images": functools.partial(
            flickr30k,
            images="flickr30k_images/flickr30k_images",
            texts="flickr30k_entities",
            marked="flickr30k_entities/annotations",
        ),
    },
    "folder": {
        "split given": own_folder,
        "dealt out": functools.partial(own_folder, split=False),
    },
}
SETTINGS = {
    "ucf11": {"split": "group", "seed": 0},
    "ucf101": {"split": 1, "classes": 24, "val_groups": 1, "seed": 0},
    "thumos14": {"val_share": 0.1, "seed": 0},
    "folder": {"shares": {"train": 0.6, "val": 0.2, "test": 0.2}, "seed": 0},
}


def copy_of(folder, other):
    shutil.copytree(folder, other, symlinks=True)
    return other
