"""The whole path on the real frames of two UCF101 videos: frames in, maps out, tubes, pointing.

The networks are random and have never seen UCF101, so the scores themselves mean nothing.
"""

from __future__ import annotations

import av
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from seewhy.corpora.array_pickle import read_arrays
from seewhy.corpora.importing import import_corpus
from seewhy.frames import sample_frames
from seewhy.grounding.checkpoint import save_action_network
from seewhy.grounding.clips import ClipFile
from seewhy.grounding.grounded import ground_clips, score_maps
from seewhy.grounding.items import Scenery, items_of
from seewhy.grounding.localise import grow_interval
from seewhy.grounding.networks import VGG16, ActionNetwork, VGGShape, vgg_action_network
from seewhy.grounding.pointing_table import read_scores

VIDEOS = ("CliffDiving/v_CliffDiving_g05_c07", "HorseRiding/v_HorseRiding_g02_c03")
STEPS = 8


def write_video(path, folder, name, length):
    """The video with its frames where they belong, black where they are not given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.bit_rate = 4_000_000
        for number in range(length):
            image = folder / f"{name}.{number + 1:04d}.jpg"
            frame = Image.open(image) if image.exists() else Image.new("RGB", (320, 240))
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def ucf101(shared_data, tmp_path_factory):
    """UCF101 in its own layout with two videos, in canonical form, with frames of 64 pixels."""
    tubes, frames = shared_data / "ucf101/pyannot.pkl", shared_data / "ucf101/frames_demo1"
    given = shared_data / "ucf101/ucf101_split1_testVideos.txt"
    for path in (tubes, frames, given):
        if not path.exists():
            pytest.skip(f"no {path}")
    known = read_arrays(tubes, remedy="")
    source = tmp_path_factory.mktemp("ucf101")
    for video in VIDEOS:
        name = video.split("/")[1]
        length = int(known[video]["numf"])
        write_video(source / "UCF-101" / f"{video}.avi", frames, name, length)
    (source / "pyannot.pkl").symlink_to(tubes)
    lists = source / "ucfTrainTestlist"
    lists.mkdir()
    # Numbers from 0; the official lists begin at 1.
    pairs = (line.split() for line in given.read_text().splitlines())
    number = {video.split("/")[0]: int(label) + 1 for video, label in pairs}
    (lists / "classInd.txt").write_text("".join(f"{n} {a}\n" for a, n in number.items()))
    (lists / "testlist01.txt").write_text("".join(f"{video}.avi\n" for video in VIDEOS))
    actions = {video.split("/")[0] for video in VIDEOS}
    train = sorted(
        str(v) for v in known if v.split("/")[0] in actions and int(v.split("_g")[1][:2]) > 7
    )
    (lists / "trainlist01.txt").write_text(
        "".join(f"{video}.avi {number[video.split('/')[0]]}\n" for video in train)
    )
    import_corpus("ucf101", source, source / "corpus", split=1, classes=101, val_groups=2, seed=0)
    sample_frames(
        source / "corpus", source / "test.h5", source / "report.csv", split="test", n=16, size=64,
        fit="squash",
    )  # fmt: skip
    return source


def save_networks(folder, shape):
    torch.manual_seed(0)
    classes = sorted(video.split("/")[0] for video in VIDEOS)
    lrcn = vgg_action_network(shape, classes, hidden=32)
    head = torch.nn.Linear(lrcn.cnn.outputs, 2)
    cnn = ActionNetwork(lrcn.cnn, head, classes=classes, size=shape.size, scale=shape.scale)
    paths = {"cnn": folder / "cnn.safetensors", "lrcn": folder / "lrcn.safetensors"}
    save_action_network(paths["cnn"], cnn, shape)
    save_action_network(paths["lrcn"], lrcn, shape)
    return paths


def test_tubes_lie_on_the_frames_that_are_read(ucf101):
    file = ClipFile(ucf101 / "test.h5")
    items = items_of(ucf101 / "corpus", file, [video.split("/")[0] for video in VIDEOS])
    assert items["action"].tolist() == ["CliffDiving", "HorseRiding"]
    assert items[["start", "end"]].to_numpy().tolist() == [[2, 70], [0, 121]]
    with Scenery(ucf101 / "corpus", file, STEPS) as scenery:
        rider = scenery.regions(items.iloc[1])
        assert rider.mask is None
        assert rider.during.all()
        frames = scenery.frames(1)
        boxes = scenery.truth.boxes(items.iloc[1]["clip"])
    for step, frame in enumerate(frames):
        x, y, w, h = boxes["box"][boxes["frame"] == frame][0]
        rows, columns = (
            np.flatnonzero(rider.box[step].any(1)),
            np.flatnonzero(rider.box[step].any(0)),
        )
        assert abs(columns[0] - x * 64 / 320) <= 1
        assert abs(columns[-1] + 1 - (x + w) * 64 / 320) <= 1
        assert abs(rows[0] - y * 64 / 240) <= 1
        assert abs(rows[-1] + 1 - (y + h) * 64 / 240) <= 1


@pytest.mark.parametrize("method", ["EB", "cEB-R", "BP-R", "Grad-CAM-R"])
def test_maps_are_made_and_point(ucf101, tmp_path, method):
    networks = save_networks(tmp_path, VGGShape())
    given = {"corpus": ucf101 / "corpus", "frames": ucf101 / "test.h5"}
    ground_clips(
        tmp_path / "maps.h5", method=method, steps=STEPS, layer="conv3", **networks, **given
    )
    score_maps(tmp_path / "maps.h5", tmp_path / "scores.csv", lrcn=networks["lrcn"], **given)
    scores = read_scores(tmp_path / "scores.csv")
    assert len(scores) == 2 * STEPS
    annotated = scores[scores["during"]]
    assert annotated["box"].between(0, 1).all()
    assert (annotated["box_wide"] >= annotated["box"]).all()
    assert scores["mask"].isna().all()  # there are boxes only
    sums = scores.pivot(index="clip", columns="step", values="sum").to_numpy()
    found = grow_interval(sums)
    assert ((found >= 0) & (found <= STEPS)).all()
    if method == "cEB-R":
        np.testing.assert_allclose(sums.sum(axis=1), 0, atol=1e-4)


def test_the_full_size_network_takes_the_same_path(ucf101, tmp_path):
    sample_frames(
        ucf101 / "corpus", tmp_path / "test.h5", tmp_path / "report.csv", split="test", n=4,
        size=224, fit="squash",
    )  # fmt: skip
    networks = save_networks(tmp_path, VGG16)
    given = {"corpus": ucf101 / "corpus", "frames": tmp_path / "test.h5"}
    ground_clips(tmp_path / "maps.h5", method="cEB-R", steps=4, layer="conv5", **networks, **given)
    score_maps(tmp_path / "maps.h5", tmp_path / "scores.csv", lrcn=networks["lrcn"], **given)
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert len(scores) == 8
    assert scores.loc[scores["during"], "box"].between(0, 1).all()
