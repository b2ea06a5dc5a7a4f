"""Figures of the summaries: equal files, no text over another, words where nothing is to show."""

import contextlib
import itertools

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import sparse
from torch import nn

from seewhy.summaries import page
from seewhy.summaries.activations import Activations
from seewhy.summaries.contrast import contrast_classes
from seewhy.summaries.distributions import FilterAttributes
from seewhy.summaries.drawing import FIGURES, Shown, chosen_images, draw_summaries
from seewhy.summaries.exemplars import class_exemplars
from seewhy.summaries.figures import (
    Contrasted,
    Explained,
    Filter,
    Heat,
    draw_contrast,
    draw_explanations,
    draw_filters,
)
from seewhy.summaries.image_figures import (
    Failure,
    Located,
    Query,
    draw_failures,
    draw_heat_maps,
    draw_retrieval,
)
from seewhy.summaries.split import Split
from seewhy.text.attributes import Attributes

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 255, (6, 16, 16, 3), np.uint8)
HEATS = RNG.random((3, 4, 4)) / 16
LONG = "lesser blackish-billed $strange_warbler of the Donaudampfschifffahrtsgesellschaftsinsel"
WHY = "This is a tern because it has a very long and orange bill, white wingbars, and grey wings."
NAMES = ["red bill", "long orange bill feathers of it", "white tail", "grey wings", "black cap"]


def explained(heats=3):
    of = [Heat(NAMES[k], "p = 0.42: chance", HEATS[k]) for k in range(heats)]
    return Explained(IMAGES[0], LONG, "tern", of, {"paper": WHY, "joint": WHY + " " + WHY})


def contrasted(images=3):
    (held,) = contrast_classes(
        RNG.random((1, 8)), RNG.normal(size=(2, 8)), np.array([0.1, 0]), RNG.random((8, 5)),
        NAMES, 0, 1, classes=["tern", LONG],
    )  # fmt: skip
    return Contrasted(IMAGES[0], "tern", LONG, held, IMAGES[:images], IMAGES[:images])


def filters(presets=("paper", "centred", "t", "joint")):
    table = [(name, 10.0**-k) for k, name in enumerate(NAMES)]
    return [Filter(k, dict.fromkeys(presets, table), IMAGES) for k in (0, 1023)]


def failure(images=3, agrees=True):
    shown = IMAGES[:images]
    return Failure(
        IMAGES[0], LONG, "tern", shown, shown, WHY, WHY, "a spoilt image",
        "1.2 times as far from both classes as usual; noise +9.1 sd.", "a wrong label", agrees,
    )  # fmt: skip


def draw_all(folder):
    draw_explanations(folder / "3.png", [explained(), explained(1), explained(0)])
    draw_contrast(folder / "1.png", [contrasted(), contrasted(1)])
    draw_filters(folder / "5.png", filters(), note="Drawn at random.")
    draw_filters(folder / "5b.png", filters(["t"]))
    points = [np.array([[3.0, 4], [9, 9]]), np.zeros((0, 2)), np.array([[15.5, 0.5]])]
    draw_heat_maps(
        folder / "7.png", [Located(name, IMAGES[:3], HEATS, points) for name in NAMES[:3]]
    )  # fmt: skip
    has = np.array([True, False, True, True, False, True])
    draw_retrieval(folder / "6.png", [Query(name, IMAGES, has, 0.3) for name in NAMES[:3]])
    draw_failures(folder / "8.png", [failure(), failure(1, None), failure(0, False)])


def draw_nothing(folder):
    draw_explanations(folder / "3.png", [])
    draw_contrast(folder / "1.png", [])
    draw_filters(folder / "5.png", [])
    draw_filters(folder / "5b.png", [Filter(2, {"paper": []}, IMAGES[:0])])
    draw_heat_maps(folder / "7.png", [])
    draw_heat_maps(folder / "7b.png", [Located("red bill", IMAGES[:0], HEATS[:0], [])])
    draw_retrieval(folder / "6.png", [])
    draw_retrieval(folder / "6b.png", [Query("red bill", IMAGES[:0], np.zeros(0, bool), 0.0)])
    draw_failures(folder / "8.png", [])


@pytest.fixture
def seen(monkeypatch):
    """What was drawn: of each figure its texts, pictures and border, in pixels."""
    drawings = []

    @contextlib.contextmanager
    def looked_at(path, **settings):
        with real(path, **settings | {"dpi": 20}) as drawn:  # the file is not looked at
            yield drawn
            drawn.set_dpi(page.DPI)  # at which letters are hinted
            renderer = drawn.canvas.get_renderer()
            texts = [(t.get_text(), t.get_window_extent(renderer)) for t in drawn.texts]
            drawings.append(
                (texts, [axes.bbox.frozen() for axes in drawn.axes], drawn.bbox.frozen())
            )

    real = page.figure
    monkeypatch.setattr(page, "figure", looked_at)
    return drawings


def no_overlaps(drawings):
    for texts, pictures, border in drawings:
        for (one, first), (other, second) in itertools.combinations(texts, 2):
            assert not first.overlaps(second), f"{one!r} and {other!r} overlap"
        for (one, box), picture in itertools.product(texts, pictures):
            assert not box.overlaps(picture), f"{one!r} lies on a picture"
        for first, second in itertools.combinations(pictures, 2):
            wide = min(first.x1, second.x1) - max(first.x0, second.x0)
            tall = min(first.y1, second.y1) - max(first.y0, second.y0)
            assert min(wide, tall) < 0.5, "two pictures overlap"
        for name, box in [*texts, *(("picture", box) for box in pictures)]:
            assert border.x0 <= box.x0 < box.x1 <= border.x1, name
            assert border.y0 <= box.y0 < box.y1 <= border.y1, name


def test_nothing_lies_on_something_else(seen, tmp_path):
    draw_all(tmp_path)
    assert [len(texts) > 5 for texts, _, _ in seen] == [True] * 7
    no_overlaps(seen)


def test_where_nothing_is_to_be_shown_words_say_so(seen, tmp_path):
    draw_nothing(tmp_path)
    no_overlaps(seen)
    said = [" ".join(text for text, _ in texts) for texts, _, _ in seen]
    for figure, words in zip(
        said,
        ["no image to explain", "no image whose classes", "no filter to show", "no attribute",
         "No image has an attribute", "No image has an attribute", "no attribute to search by",
         "no image", "took no image of these"],
        strict=True,
    ):  # fmt: skip
        assert words in figure


def test_right_and_wrong_are_told_by_words(seen, tmp_path):
    draw_explanations(tmp_path / "a.png", [explained(1), explained(1)._replace(given="tern")])
    texts = [text for text, _ in seen[0][0]]
    assert "Right: tern" in texts
    assert any(text.startswith("Wrong: taken for tern; given as lesser") for text in texts)


def test_bars_of_a_contrast_sum_to_the_margin(seen, tmp_path):
    row = contrasted()
    draw_contrast(tmp_path / "a.png", [row])
    numbers = [t.replace("−", "-") for t, _ in seen[0][0] if t[0] in "+−0"]
    *parts, margin = map(float, numbers)
    assert margin == pytest.approx(row.contrast.margin, abs=0.006)
    assert sum(parts) == pytest.approx(margin, abs=0.006 * len(numbers))


def test_texts_wrap_by_their_width():
    lines = page.wrapped(f"{WHY} {LONG}", 1.0)
    assert "".join(lines).replace(" ", "") == f"{WHY}{LONG}".replace(" ", "")
    assert all(page.text_width(line) <= 1.0 for line in lines)
    cut = page.wrapped(WHY, 1.0, lines=2)
    assert len(cut) == 2
    assert cut[1].endswith("…")
    assert page.text_width(cut[1]) <= 1.0
    assert page.wrapped("", 1.0) == []


def test_images_are_right_and_wrong_and_of_many_classes():
    right = np.array([True] * 8 + [False] * 4)
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 3, 4])
    rows = chosen_images(right, labels, 6, seed=0)
    assert right[rows].tolist() == [True, False] * 3
    assert sorted(labels[rows[::2]]) == [0, 1, 2]
    assert set(labels[rows[1::2]]) == {3, 4}
    assert (rows == chosen_images(right, labels, 6, seed=0)).all()
    assert right[chosen_images(right[:9], labels[:9], 6, seed=0)].sum() == 5
    assert len(chosen_images(right[8:], labels[8:], 6, seed=0)) == 4
    assert len(chosen_images(right[:0], labels[:0], 6, seed=0)) == 0


def test_exemplars_of_a_class_are_those_it_is_surest_of():
    logits = np.array([[3.0, 0], [9, 8], [0, 1], [5, 0], [7, 0]])
    assert class_exemplars(logits, np.array([0, 0, 0, 0, 1]), 0).tolist() == [3, 0, 1]
    assert class_exemplars(logits, np.array([0, 0, 0, 0, 1]), 1).tolist() == []


# --- all of them ----------------------------------------------------------------------------------


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.maps = nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.ReLU())
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        return self.fc(self.maps(x).mean(dim=(2, 3)))


def prepare(images):
    return torch.tensor(images).permute(0, 3, 1, 2).float() / 255


PARTS = ("crown", "beak", "left wing", "right wing")
ATTRIBUTES = ["red bill", "yellow crown", "grey wings", "small bird", "white crown"]


def make_split(path, network, count, seed, presence):
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        file["image"] = images = rng.integers(0, 255, (count, 16, 16, 3), np.uint8)
    with torch.no_grad():
        x = prepare(images)
        phi, logits = network.maps(x).mean(dim=(2, 3)).numpy(), network(x).numpy()
    labels = np.where(np.arange(count) % 2, logits.argmax(1), rng.integers(0, 3, count))
    classes = ("001.Pale_gull", "tern", "auk")
    return Split(
        path, tuple(f"b{k}" for k in range(count)), labels, classes,
        rng.uniform(0, 16, (count, 4, 2)), rng.random((count, 4)) > 0.3, PARTS, 16,
        Activations(
            phi, logits, network.fc.weight.detach().numpy(), network.fc.bias.detach().numpy(),
            np.arange(count), classes, "maps", "fc", "",
        ),
        sparse.csr_matrix(rng.random((count, 5)) < presence), (("a bird",),) * count,
    )  # fmt: skip


def attributes_of(split):
    pairs = [name.split() for name in ATTRIBUTES]
    return Attributes(
        tuple(ATTRIBUTES), tuple(a for a, _ in pairs), tuple(n for _, n in pairs), split.names,
        np.ones(len(split.names), bool), split.presence.astype(np.int32), np.ones(5, int), "none",
        "default", {},
    )  # fmt: skip


def draw_splits(folder, presence, truth=("missing", "label", "perturbation")):
    network = Network()
    train, test = (
        make_split(folder / f"{k}.h5", network, n, k, presence) for k, n in ((0, 30), (1, 20))
    )
    rng = np.random.default_rng(2)
    tables = {
        preset: FilterAttributes(
            tuple(ATTRIBUTES), preset, rng.random((6, 5)).astype(np.float32), np.full(5, 9)
        )
        for preset in ("paper", "joint")
    }
    wrong = np.flatnonzero(~test.right)
    given, said = test.labels[wrong], test.found.decided[wrong]
    failures = pd.DataFrame({
        "image": [test.names[k] for k in wrong], "given": given, "predicted": said,
        "kind": "missing", "truth": [truth[k % len(truth)] for k in range(len(wrong))],
        "says": [
            f"{test.classes[a]} taken for {test.classes[b]}: missing (not seen: red bill)"
            for a, b in zip(given, said, strict=True)
        ],
    })  # fmt: skip
    outputs = {name: folder / f"{name}.png" for name in FIGURES}
    draw_summaries(
        outputs, train=train, test=test, tables=tables, attributes=attributes_of(train),
        network=network, layer="maps", prepare=prepare, pages=failures, seed=1,
        shown=Shown(explained=2, contrasts=1, filters=2, located=2, rows=2, queries=2,
                    retrieved=3, failures=3),
    )  # fmt: skip
    assert all(path.stat().st_size > 0 for path in outputs.values())


def test_all_figures_of_a_network(seen, tmp_path):
    draw_splits(tmp_path, 0.5)
    no_overlaps(seen)
    told = [" ".join(text for text, _ in texts) for texts, _, _ in seen]
    assert all(word in told[0] for word in ("Right: ", "Wrong: taken for ", "beyond chance)"))
    assert "Pale gull" in " ".join(told)
    assert not any("_" in text for text in told)
    assert "Not seen: red bill." in told[5]
    assert "Recorded: a spoilt image (the triage is wrong)." in told[5]
    assert "Recorded: no fault of image or label (the triage is right)." in told[5]


def test_equal_input_gives_equal_files(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        draw_splits(tmp_path / name, 0.5)
    for name in FIGURES:
        first, second = (tmp_path / folder / f"{name}.png" for folder in "ab")
        assert first.read_bytes() == second.read_bytes(), name
        assert Image.open(first).width == 1440


def test_all_figures_where_nothing_is_known(seen, tmp_path):
    draw_splits(tmp_path, 0.0, truth=("unknown",))
    told = [" ".join(text for text, _ in texts) for texts, _, _ in seen]
    assert "No image has an attribute" in told[3]
    assert "no attribute to search by" in told[4]
    assert "Recorded: nothing of any image." in told[5]
