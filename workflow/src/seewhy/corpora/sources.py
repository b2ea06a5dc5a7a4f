"""What a data set consists of, and where to get it: known before anything is imported or read.

Light on purpose: the workflow reads it at every start.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from seewhy.corpora.layout import Tree
from seewhy.errors import InputError

VIDEO_EXTENSIONS = (
    *(".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg"),
    *(".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
)
IMAGE_EXTENSIONS = (".jpeg", ".jpg", ".png")


class Source(NamedTuple):
    """One data set in its own layout."""

    needed: tuple[str, ...]  # files without which nothing works
    used: tuple[str, ...]  # files, or folders of them, that are read where they are there
    videos: str  # folder of the videos, below the source
    where: str  # where to get it and where to put it
    folders: tuple[str, ...] = ()  # folders of which there must be at least one
    one_of: tuple[
        str, ...
    ] = ()  # files or folders of which there must be at least one, and are read
    anywhere: bool = False  # whether files and videos may lie further down (`Tree`)
    key_points: bool = False  # whether it says where the parts of things are


THUMOS14_ACTIONS = (
    *("BaseballPitch", "BasketballDunk", "Billiards", "CleanAndJerk", "CliffDiving"),
    *("CricketBowling", "CricketShot", "Diving", "FrisbeeCatch", "GolfSwing", "HammerThrow"),
    *("HighJump", "JavelinThrow", "LongJump", "PoleVault", "Shotput", "SoccerPenalty"),
    *("TennisSwing", "ThrowDiscus", "VolleyballSpiking"),
)

SOURCES = {
    "puppets": Source(
        needed=(
            "clips.csv",
            "captions.csv",
            "labels.csv",
            "instances.csv",
            "segments.csv",
            "phrases.csv",
        ),
        used=(),
        videos="videos",
        where=(
            "the rule render_puppets makes data/puppets/trimmed for corpus.source, and "
            "data/puppets/actions for transfer.corpus.source"
        ),
    ),
    "aviary": Source(
        needed=(
            "clips.csv",
            "captions.csv",
            "labels.csv",
            "instances.csv",
            "birds.csv",
            "species.csv",
            "slots.csv",
        ),
        used=(),
        videos="images",
        key_points=True,
        where="seewhy.worlds.aviary.render_aviary makes it; name its folder as the corpus's source",
    ),
    "msvd": Source(
        needed=("youtube_mapping.txt",),
        used=(
            "sents_train_lc_nopunc.txt",
            "sents_val_lc_nopunc.txt",
            "sents_test_lc_nopunc.txt",
            "AllVideoDescriptions.txt",
        ),
        videos=".",
        anywhere=True,
        where=(
            "get YouTubeClips.tar and AllVideoDescriptions.txt from the authors' page "
            "(www.cs.utexas.edu/users/ml/clamp/videoDescription) and youtube_mapping.txt from the "
            "release of S2VT or arctic-capgen-vid, and name their folder in corpus.source"
        ),
    ),
    "msrvtt": Source(
        needed=(),
        used=(
            "test_videodatainfo.json",
            *(f"{split}_list_full.txt" for split in ("train", "val", "test")),
            *(f"{split}_list.txt" for split in ("train", "val", "test")),
        ),
        videos=".",
        anywhere=True,
        where=(
            "get train_val_videodatainfo.json, test_videodatainfo.json and the folders "
            "TrainValVideo and TestVideo of MSR-VTT (10,000 clips, 2016) from its authors at "
            "Microsoft Research, or a copy with annotation/MSR_VTT.json (or MSRVTT_data.json) and "
            "videos/all, and name the folder that holds all of it as the corpus's source"
        ),
        one_of=(
            "train_val_videodatainfo.json",
            "videodatainfo_2016.json",
            "videodatainfo_2017.json",
            "MSRVTT_data.json",
            "msrvtt_data.json",
            "MSR_VTT.json",
        ),
    ),
    "folder": Source(
        needed=("captions.csv",),
        used=(),
        videos=".",
        where=(
            "name in corpus.source a folder with your videos and captions.csv (columns video, "
            "caption; optional: split, group)"
        ),
    ),
    "ucf11": Source(
        needed=(),
        used=(),
        videos=".",
        anywhere=True,
        where=(
            "get UCF11_updated_mpg.rar from www.crcv.ucf.edu/data/UCF_YouTube_Action.php, unpack "
            "it, and name the folder that holds basketball, biking, … in transfer.corpus.source"
        ),
        folders=(
            *("basketball", "biking", "diving", "golf_swing", "horse_riding", "soccer_juggling"),
            *("swing", "tennis_swing", "trampoline_jumping", "volleyball_spiking", "walking"),
        ),
    ),
    "ucf101": Source(
        needed=("classInd.txt",),
        used=(
            *(f"trainlist0{split}.txt" for split in (1, 2, 3)),
            *(f"testlist0{split}.txt" for split in (1, 2, 3)),
            "pyannot.pkl",
        ),
        videos=".",
        anywhere=True,
        where=(
            "get UCF101.rar and UCF101TrainTestSplits-RecognitionTask.zip from "
            "www.crcv.ucf.edu/data/UCF101.php and, for the tubes, pyannot.pkl from "
            "github.com/gurkirt/corrected-UCF101-Annots; name as the corpus's source the folder "
            "that holds UCF-101, ucfTrainTestlist and pyannot.pkl"
        ),
    ),
    "thumos14": Source(
        needed=(),
        used=(),
        videos=".",
        anywhere=True,
        where=(
            "get the validation and test videos and TH14_Temporal_annotations_validation.zip and "
            "_test.zip from www.crcv.ucf.edu/THUMOS14/download.html; name as the corpus's source "
            "the folder that holds validation, test and annotation"
        ),
        one_of=(
            *(f"{name}_val.txt" for name in (*THUMOS14_ACTIONS, "Ambiguous")),
            *(f"{name}_test.txt" for name in (*THUMOS14_ACTIONS, "Ambiguous")),
            "val_Annotation.csv",
            "test_Annotation.csv",
        ),
    ),
    "flickr30k": Source(
        needed=("train.txt", "val.txt", "test.txt"),
        used=("Sentences", "Annotations", "UNRELATED_CAPTIONS"),
        videos=".",
        anywhere=True,
        where=(
            "get train.txt, val.txt, test.txt, UNRELATED_CAPTIONS and annotations.zip (Sentences "
            "and Annotations) from github.com/BryanPlummer/flickr30k_entities and the images from "
            "the page of Flickr30k (hockenmaier.cs.illinois.edu/DenotationGraph); name as the "
            "corpus's source the folder that holds all of it and flickr30k-images"
        ),
    ),
    "cub200": Source(
        needed=(
            "CUB_200_2011/images.txt",
            "CUB_200_2011/classes.txt",
            "CUB_200_2011/image_class_labels.txt",
            "CUB_200_2011/train_test_split.txt",
            "CUB_200_2011/bounding_boxes.txt",
            "CUB_200_2011/parts/parts.txt",
            "CUB_200_2011/parts/part_locs.txt",
        ),
        used=("text_c10",),
        videos="CUB_200_2011/images",
        key_points=True,
        where=(
            "get CUB_200_2011.tgz from www.vision.caltech.edu/datasets/cub_200_2011 and the "
            "captions of Reed et al. (text_c10, in cvpr2016_cub.tar.gz) from the page of "
            "github.com/reedscot/cvpr2016, unpack both, and name as the corpus's source the folder "
            "that holds CUB_200_2011 and text_c10"
        ),
    ),
    "images": Source(
        needed=("images.csv", "captions.csv"),
        used=(),
        videos=".",
        where=(
            "name as the corpus's source a folder with your images, images.csv (columns image, "
            "label, split; optional: x, y, width, height) and captions.csv (columns image, caption)"
        ),
    ),
}


def source_files(
    name: str,
    source: str | Path,
    *,
    made: str | None = None,
    key: str = "corpus.source",
    where: str = "params.yaml",
) -> list[str]:
    """Files of a data set that the importer reads.

    Args:
        name: a key of `SOURCES`.
        source: folder of the data set.
        made: a folder that the workflow makes itself, and that need not be there yet.
        key: the setting that names the source, for the message.
        where: the file that sets it, for the message.

    Raises:
        InputError: the folder or a needed file is missing; the line says where to get it.
    """
    about, folder = SOURCES[name], Path(source)
    if name in ("puppets", "aviary") and made is not None and folder == Path(made):
        return [str(folder / file) for file in about.needed]
    if not folder.is_dir():
        raise InputError(f"{where}: {key}: no folder {source}; {about.where}")
    tree: Tree | None = None

    def found(file: str) -> Path | None:
        nonlocal tree
        path = folder / file
        if about.anywhere and not path.exists():  # only then are all folders gone through
            tree = tree or Tree(folder)
            path = tree.find(file)
        return path if path and path.exists() else None

    def missing(file: str, others: int = 0) -> InputError:
        within = f"{source} and the folders below" if about.anywhere else source
        beside = f" (or {others} other{'s' if others > 1 else ''})" if others else ""
        above = next(
            (up for up in (folder.parent, folder.parent.parent) if (up / file).exists()), 0
        )
        hint = f"it lies in {above}: name that folder instead" if above else about.where
        return InputError(f"{where}: {key}: no {file}{beside} in {within}; {hint}")

    for file in about.needed:
        path = found(file)
        if path is None or not path.is_file():
            raise missing(file)
    if about.folders and not any(map(found, about.folders)):
        raise missing(about.folders[0])
    if about.one_of and not any(map(found, about.one_of)):
        raise missing(about.one_of[0], len(about.one_of) - 1)
    read = map(found, (*about.needed, *about.one_of, *about.used))
    return list(dict.fromkeys(str(path) for path in read if path))


def unlisted(folder: Path, extensions: tuple[str, ...], listed: Collection[str]) -> list[str]:
    """Files below `folder` with such an extension that are not listed, by their paths in it."""
    found = (
        os.path.relpath(file, folder)
        for file in files_below(folder)
        if os.path.splitext(file)[1].lower() in extensions
    )
    return sorted(name for name in found if name not in listed)


def files_below(folder: str | Path) -> Iterator[str]:
    """Files below a folder, those in linked folders too, in the order of their names.

    A link to a folder that it lies in is not followed for ever.
    """
    yield from _below(str(folder), ())


def _below(folder: str, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    try:
        about = os.stat(folder)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    here = (about.st_dev, about.st_ino)
    if here in above:
        return
    for entry in entries:
        is_folder = False
        with contextlib.suppress(OSError):
            is_folder = entry.is_dir()
        if is_folder:
            yield from _below(entry.path, (*above, here))
        else:
            yield entry.path
