"""Tiny data sets of images in their real layouts, for tests that read them as a user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from seewhy.dissection.concepts import ConceptWriter

COLOURS = {"red": (200, 40, 40), "green": (40, 190, 40), "blue": (40, 40, 210)}
# A classifier of the user's: it says which of red, green and blue is the most.
OWN_NETWORK = '''
import torch
from torch import nn


class Brightest(nn.Module):
    """Maps of three filters, their means, and a linear layer that has a class for each."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU())
        self.last = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU())
        self.fc = nn.Linear(3, 3)
        with torch.no_grad():
            for layer in (self.features[0], self.last[0]):
                layer.weight.copy_(torch.eye(3)[:, :, None, None] + 0.05)
            self.fc.weight.copy_(torch.tensor([[9.0, -5, -5], [-5, 9, -5], [-5, -5, 9]]))
            self.fc.bias.zero_()

    def forward(self, x):
        return self.fc(self.last(self.features(x)).mean((2, 3)))


def build():
    network = Brightest()
    network.classes = ["red", "green", "blue"]  # not in the order of the alphabet
    return network


def unnamed():
    return Brightest()
'''


def picture(colour: str, seed: int, size: tuple[int, int] = (40, 32)) -> np.ndarray:
    """A square of a colour on grey noise: [h, w, 3] uint8."""
    rng = np.random.default_rng(seed)
    height, width = size
    pixels = rng.integers(90, 130, (height, width, 3)).astype(np.uint8)
    y, x = int(rng.integers(2, height // 3)), int(rng.integers(2, width // 3))
    pixels[y : y + height // 2, x : x + width // 2] = COLOURS[colour]
    return pixels


def own_images(
    folder: Path, *, per_class: int = 8, silent: int = 2, captions: int = 2, wrong: int = 0
) -> Path:
    """``images.csv`` and ``captions.csv`` of a user's own: three classes, images of many sizes.

    Args:
        folder: where.
        per_class: images of a class in each split.
        silent: of these, how many have no caption.
        captions: of each of the others.
        wrong: images of each split that have the label of the next class.
    """
    folder.mkdir(parents=True)
    rows, said = ["image,label,split"], ["image,caption"]
    colours, number = list(COLOURS), 0
    for split in ("train", "val", "test"):
        for k in range(per_class * len(colours)):
            colour, number = colours[k % 3], number + 1
            name = f"{split}/{number}.png"
            (folder / split).mkdir(exist_ok=True)
            size = (30 + number % 5, 36 + number % 7)
            Image.fromarray(picture(colour, number, size)).save(folder / name)
            label = colours[(k + 1) % 3] if k < wrong else colour
            rows.append(f"{name},{label},{split}")
            if k // 3 >= silent:
                shapes = ("box", "square", "patch", "thing")
                for c in range(captions):
                    shape = shapes[(k + c) % 4]
                    said.append(f"{name},there is a {colour} {shape} on a grey ground")
    (folder / "images.csv").write_text("\n".join(rows) + "\n")
    (folder / "captions.csv").write_text("\n".join(said) + "\n")
    return folder


PARTS = (
    *("back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg"),
    *("left wing", "nape", "right eye", "right leg", "right wing", "tail", "throat"),
)


def cub200(folder: Path, *, per_class: int = 12) -> Path:
    """CUB-200-2011 and the captions of Reed et al. in their own layout: three classes of birds."""
    lists = folder / "CUB_200_2011"
    (lists / "parts").mkdir(parents=True)
    classes = ("001.Red_Finch", "002.Green_Finch", "003.Blue_Finch")
    lines: dict[str, list[str]] = {
        "classes.txt": [f"{k} {name}" for k, name in enumerate(classes, 1)],
        "parts/parts.txt": [f"{k} {name}" for k, name in enumerate(PARTS, 1)],
        **{
            name: []
            for name in ("images.txt", "image_class_labels.txt", "train_test_split.txt",
                         "bounding_boxes.txt", "parts/part_locs.txt")
        },
    }  # fmt: skip
    for number in range(1, per_class * len(classes) + 1):
        k = number % 3
        colour, name = list(COLOURS)[k], classes[k]
        file = f"{name}/{name[4:]}_{number:04d}_{900 - number}"
        path = lists / "images" / f"{file}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(colour, number, (48, 60))).save(path, quality=95)
        text = folder / "text_c10" / f"{file}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        other = list(COLOURS)[(k + 1) % 3]
        text.write_text(
            "".join(
                f"this bird has a {colour} {part} and a {other} tail.\n"
                for part in ("crown", "breast", "belly", "throat", "back") * 2
            )
        )
        lines["images.txt"].append(f"{number} {file}.jpg")
        lines["image_class_labels.txt"].append(f"{number} {k + 1}")
        lines["train_test_split.txt"].append(f"{number} {int(number % 4 != 0)}")
        lines["bounding_boxes.txt"].append(f"{number} 2.0 2.0 44.0 40.0")
        lines["parts/part_locs.txt"] += [
            f"{number} {p} {5 + 2 * p}.0 {4 + 2 * p}.0 1" if (number + p) % 5 else
            f"{number} {p} 0.0 0.0 0"
            for p in range(1, len(PARTS) + 1)
        ]  # fmt: skip
    for name, rows in lines.items():
        (lists / name).write_text("\n".join(rows) + "\n")
    return folder


def broden(folder: Path, *, images: int = 24, sizes: bool = False) -> Path:
    """A concept set in Broden's format: colours by the pixel and a scene; no action.

    Args:
        folder: where.
        images: how many.
        sizes: of many sizes and not of one.
    """
    names = {"color": [f"{c}-c" for c in COLOURS], "scene": ["field-s", "room-s"]}
    with ConceptWriter(folder, names) as writer:
        for k in range(images):
            size = (30 + k % 4, 40 - k % 3) if sizes else (32, 32)
            pixels = picture(list(COLOURS)[k % 3], 500 + k, size)
            mask = (pixels == COLOURS[list(COLOURS)[k % 3]]).all(-1) * (1 + k % 3)
            writer.add(f"some/{k}", pixels, masks={"color": mask[None]},
                       whole={"scene": [names["scene"][k % 2]]})  # fmt: skip
    return folder


def annotations(folder: Path, *, images: int = 12) -> Path:
    """Boxes and votes of people on images of many sizes, as a user gives them."""
    (folder / "images").mkdir(parents=True)
    sizes, boxes, votes = [], [], []
    for k in range(images):
        name, height, width = f"own{k}.jpg", 36 + 5 * (k % 4), 52 - 3 * (k % 5)
        Image.fromarray(picture(list(COLOURS)[k % 3], 700 + k, (height, width))).save(
            folder / "images" / name, quality=95
        )
        action = ("jump", "wave")[k % 2]
        sizes.append((name, width, height))
        votes += [(name, action, "visible", r, f"p{a}", "yes") for r in (1, 2) for a in range(3)]
        votes += [(name, action, "region", 1, f"p{a}", "yes") for a in range(3)]
        boxes += [(name, action, r, f"q{r}", 4 + r, 5, 22, 20) for r in (1, 2, 3)]
    for file, rows, columns in (
        ("sizes", sizes, ["image", "width", "height"]),
        ("votes", votes, ["image", "action", "stage", "round", "annotator", "yes"]),
        ("boxes", boxes, ["image", "action", "round", "annotator", "x", "y", "width", "height"]),
    ):
        pd.DataFrame(rows, columns=columns).to_csv(folder / f"{file}.csv", index=False)
    return folder
