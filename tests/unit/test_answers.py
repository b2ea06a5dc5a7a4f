"""How often networks name the action: networks that go by known frames, so that all is known."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from seewhy.gradcam import table as gradcam_table
from seewhy.grounding.answers import right_answers
from seewhy.scores.clusters import cluster_mean_interval

CLASSES = ["jump", "run", "walk"]
STEPS = 4
TRUTH = [0, 1, 2, 1, 0, 2, 1, 1, 0, 2]


class Shows(nn.Module):
    """Frames of one grey value each: 10 times the class that they speak for."""

    def __init__(self, read):
        super().__init__()
        self.cnn, self.weight = nn.Flatten(), nn.Parameter(torch.zeros(1))
        self.classes, self.read = CLASSES, read

    def preprocess(self, frames):
        return torch.from_numpy(frames).float().permute(0, 1, 4, 2, 3)

    def classify(self, h):
        return nn.functional.one_hot((h[..., 0] / 10).round().long(), 3).float()  # [b, t, 3]

    def probabilities(self, h):
        return self.read(self.classify(h))


def first_frame(scores):
    return scores[:, 0]


def fourth_frame_from_the_end(scores):
    return scores[:, -4]


@pytest.fixture
def world(tmp_path):
    """Clips whose first frame shows the action, and whose others show the next one; one has two."""
    clips = [f"c{k:02d}" for k in range(len(TRUTH))] + ["two"]
    frames = np.zeros((len(clips), STEPS, 2, 2, 3), np.uint8)
    for clip, action in enumerate([*TRUTH, 0]):
        frames[clip, 0], frames[clip, 1:] = 10 * action, 10 * ((action + 1) % 3)
    with h5py.File(tmp_path / "test.h5", "w") as file:
        file["frames"], file["clip"] = frames, clips
        file["lengths"] = np.full(len(clips), STEPS)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    rows = [(clip, "action", CLASSES[k]) for clip, k in zip(clips[:-1], TRUTH, strict=True)]
    rows += [("two", "action", "jump"), ("two", "action", "run")]
    pd.DataFrame(rows, columns=["clip", "kind", "label"]).to_csv(corpus / "labels.csv", index=False)
    return tmp_path


def answers(world, read, **settings):
    networks = Shows(read), Shows(read)
    return right_answers(*networks, world / "corpus", world / "test.h5", steps=STEPS, **settings)


def test_each_column_is_what_it_says(world):
    found = answers(world, first_frame)
    assert found["clip"].tolist() == [f"c{k:02d}" for k in range(len(TRUTH))]  # of one action
    assert (found["frame"] == 1 / STEPS).all()
    assert (found["cnn"] == 0).all()  # three of four frames show the next action
    assert (found["lrcn"] == 1).all()
    assert (found["lrcn x4"] == 1).all()


def test_frames_in_random_order_are_shuffled_clip_by_clip(world):
    found = [answers(world, first_frame, seed=seed)["lrcn shuffled"] for seed in range(12)]
    together = np.stack(found)
    assert 0.1 < together.mean() < 0.45  # in one order of four the frame comes first
    assert (together.mean(axis=0) < 1).all()
    assert len({tuple(one) for one in together}) > 1
    assert answers(world, first_frame, seed=3)["lrcn shuffled"].equals(found[3])


def test_four_times_over_is_four_times_the_length(world):
    found = answers(world, fourth_frame_from_the_end)
    assert (found[["lrcn", "lrcn x4"]] == 1).all(axis=None)
    found = answers(world, lambda scores: scores[:, 4 % scores.shape[1]])
    assert (found["lrcn x4"] == 1).all()  # the fifth frame is the first one again
    found = answers(world, lambda scores: scores[:, min(12, scores.shape[1] - 1)])
    assert (found["lrcn"] == 0).all()
    assert (found["lrcn x4"] == 1).all()


def test_some_clips_are_drawn(world):
    found = answers(world, first_frame, most=4, seed=1)
    assert len(found) == 4
    assert found["clip"].is_monotonic_increasing
    assert found["lrcn"].tolist() == [1] * 4  # each with its own action


def scores_of_maps(path, box, mask, energy):
    rows = [
        {"clip": f"c{k // 2}", "instance": 1, "action": "run", "step": k % 2, "during": True,
         "sum": 1.0, "box": box[k], "mask": mask[k], "energy": energy[k]}
        for k in range(len(box))
    ]  # fmt: skip
    others = ("box_wide", "actor", "object", "others", "own", "partner")
    pd.DataFrame(rows).assign(**dict.fromkeys(others, 0.0)).to_csv(path, index=False)
    return path


def test_grad_cams_table_is_the_answers_and_the_maps(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    columns = ["frame", "cnn", "lrcn", "lrcn shuffled", "lrcn x4"]
    of = {
        name: pd.DataFrame(
            {"clip": [f"c{k}" for k in range(20)]}
            | {column: random.integers(0, 2, 20).astype(float) for column in columns}
        )
        for name in ("train.h5", "test.h5")
    }
    asked = []

    def stand_in(cnn, lrcn, corpus, path, *, steps, most=None, seed):
        asked.append((path, most))
        return of[path]

    monkeypatch.setattr(gradcam_table, "right_answers", stand_in)
    monkeypatch.setattr(gradcam_table, "load_action_network", lambda path: nn.Identity())
    maps = {
        name: scores_of_maps(tmp_path / f"{name}.csv", box, mask, energy)
        for name, box, mask, energy in (
            ("plain", [1, 0, 1, 1], [1, 0, 0, 0], [0.5, 0.5, 0.25, 0.25]),
            ("recurrent", [1, 1, 1, 1], [0, 0, 0, 1], [0.5, 0.5, 0.5, 0.5]),
        )
    }
    (tmp_path / "training.json").write_text('{"remarks": ["the loss never fell"]}')
    gradcam_table.tabulate_gradcam(
        maps["plain"], maps["recurrent"], tmp_path / "table.csv", cnn="cnn", lrcn="lrcn",
        corpus="corpus", train="train.h5", test="test.h5", steps=STEPS, name="made up",
        metrics=tmp_path / "training.json", resamples=50, confidence=0.9, seed=4,
    )  # fmt: skip
    assert asked == [("train.h5", gradcam_table.TRAIN_CLIPS), ("test.h5", None)]
    table = pd.read_csv(tmp_path / "table.csv")
    own = table[table["corpus"] == "made up"].set_index("row")
    for row, column in gradcam_table.NETWORKS.items():
        assert own.loc[row, "remark"] == "the loss never fell"
        assert own.loc[row, "accuracy"] == pytest.approx(of["test.h5"][column].mean(), abs=1e-4)
        assert own.loc[row, "train"] == pytest.approx(of["train.h5"][column].mean(), abs=1e-4)
    for first, second in (("lrcn", "cnn"), ("lrcn", "lrcn shuffled")):
        names = {column: row for row, column in gradcam_table.NETWORKS.items()}
        gain = of["test.h5"][first] - of["test.h5"][second]
        found = cluster_mean_interval(gain.to_numpy(), of["test.h5"]["clip"], resamples=50,
                                      level=0.9, seed=4)  # fmt: skip
        row = own.loc[f"{names[first]} minus {names[second]}"]
        expected = pytest.approx((found.value, found.low, found.high), abs=1e-4)
        assert tuple(row[["accuracy", "accuracy low", "accuracy high"]]) == expected
    assert own.loc["Grad-CAM", ["box", "mask", "energy"]].tolist() == [0.75, 0.25, 0.375]
    assert own.loc["recurrent Grad-CAM", ["box", "mask", "energy"]].tolist() == [1, 0.25, 0.5]
    change = own.loc["recurrent minus plain", ["box", "mask", "energy"]].tolist()
    assert change == [0.25, 0, 0.125]
    published = table[table["corpus"] == "ucf11"].set_index("row")["accuracy"]
    assert published.to_dict() == {"CNN": 0.94, "LRCN": 0.98}
