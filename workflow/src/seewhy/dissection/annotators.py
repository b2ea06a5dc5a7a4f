"""Simulated annotators with known error, and how good the regions are that their boxes give.

How many rounds of boxes are worth their price? Draw the truth, let people with a plausible error
annotate it, build the regions and hold them against the truth::

    quality_by_rounds(truth, seed=0, jitter=0.1, miss=0.1, wrong_object=0.05, flip=0.05)

The truth is a table of image, action, x, y, width, height, image_width, image_height, in pixels: a
row a box, several for a pair that is seen in several places; an **empty box** is a pair that is
offered though its action is not visible, for the votes to weed out.

What a simulated person does, with a share for each fault:

- *votes*: says the contrary of the truth (``flip``). A crop is truly recognisable if it holds at
  least half of the pixels of a true box.
- *boxes*: overlooks each true box (``miss``), and skips the image if none is left; draws a box on a
  distractor instead (``wrong_object``); where the action is not visible, skips (``skip``) or draws
  on a distractor. Boxes are drawn ``scale`` times as wide and high, about their centre, and each of
  their four sides is moved by a normal whose standard deviation is ``jitter`` of the box's width or
  height, then cut to the image.

The draws of a round depend on the seed and the round alone: with more rounds, or another error, the
same people draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seewhy.corpora.canonical import read_csv
from seewhy.dissection.annotations import BOX, PAIR, check_inside, check_sides, checked, complain
from seewhy.dissection.regions import build_regions, image_masks, propose_regions
from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.scores.bootstrap import Interval
from seewhy.scores.clusters import cluster_mean_interval
from seewhy.scores.columns import interval_columns
from seewhy.scores.pointing import region_masks
from seewhy.table_numbers import number_format

_TRUTH = {"image": "name", "action": "name", "x": "number", "y": "number", "width": "number",
          "height": "number", "image_width": "count", "image_height": "count"}  # fmt: skip
_DISTRACTORS = {"image": "name", "x": "number", "y": "number", "width": "number",
                "height": "number"}  # fmt: skip
_VISIBLE, _BOXES, _REGION = range(3)  # streams of random numbers


class Answers(NamedTuple):
    """Tables as `seewhy.dissection.annotations` describes them."""

    boxes: pd.DataFrame
    votes: pd.DataFrame
    sizes: pd.DataFrame


def simulate_annotators(
    truth: pd.DataFrame,
    *,
    seed: int,
    distractors: pd.DataFrame | None = None,
    visible_rounds: int = 2,
    rounds: int = 2,
    annotators: int = 3,
    jitter: float = 0.0,
    scale: float = 1.0,
    miss: float = 0.0,
    wrong_object: float = 0.0,
    skip: float = 1.0,
    flip: float = 0.0,
    at_least: int | None = None,
    min_share: float = 0.005,
) -> Answers:
    """What people with a known error would have written of the truth.

    Args:
        truth: see the module.
        seed: of the draws.
        distractors: image, x, y, width, height of other things to draw on; where an image has none,
            a box of the true one's size (half the image's sides, if there is none) at random.
        visible_rounds: rounds of votes on visibility, each of all pairs.
        rounds: of boxes, each by one person, of the pairs that passed those votes.
        annotators: people who vote in a round; crops are voted on in one round.
        jitter: standard deviation of the sides, as a share of the box's width or height.
        scale: factor of the drawn sides.
        miss: share of true boxes overlooked.
        wrong_object: share of boxes on a distractor.
        skip: share of skips where the action is not visible.
        flip: share of votes that say the contrary of the truth.
        at_least: of `propose_regions`, which gives the crops that are voted on.
        min_share: of `propose_regions`.

    Raises:
        InputError: a truth that breaks its form, or a share out of range.
    """
    shares = {"miss": miss, "wrong_object": wrong_object, "skip": skip, "flip": flip}
    _check_errors(shares, jitter=jitter, scale=scale, annotators=annotators)
    truth = check_truth(truth)
    sizes = _sizes(truth)
    if distractors is None:
        distractors = truth.iloc[:0]
    distractors = checked(distractors, _DISTRACTORS, where="distractors").dropna(subset=BOX)
    check_inside(distractors[distractors["image"].isin(sizes["image"])], sizes)
    asked = truth.groupby(PAIR)["x"].count().gt(0).rename("truth").reset_index()
    votes = [
        _votes(asked, "visible", number, annotators, flip, [seed, _VISIBLE, number])
        for number in range(1, visible_rounds + 1)
    ]
    passed = pd.concat(votes).groupby([*PAIR, "round"])["yes"].mean().gt(0.5).groupby(PAIR).all()
    offered = pd.MultiIndex.from_frame(truth[PAIR]).isin(passed.index[passed])
    boxes = []
    for number in range(1, rounds + 1):
        rng = np.random.default_rng([seed, _BOXES, number])
        meant, drawn = _chosen(truth, distractors, rng, miss, wrong_object, skip)
        sides = _drawn(meant, truth, rng, jitter, scale)
        sides[~drawn] = np.nan
        drawing = truth[PAIR].assign(round=number, annotator=f"boxes-{number}")
        drawing[BOX] = sides
        drawing = drawing[offered].sort_values(PAIR, kind="stable")
        # a row that was not drawn stays only where nothing else was: as the sign of a skip
        others = drawing.groupby(PAIR)["x"].transform("count") > 0
        extra = drawing["x"].isna() & (others | drawing.duplicated([*PAIR, *BOX]))
        boxes.append(drawing[~extra])
    boxes = pd.concat(boxes, ignore_index=True)
    crops = propose_regions(
        boxes,
        pd.concat(votes),
        sizes,
        visible_rounds=visible_rounds,
        rounds=rounds,
        at_least=at_least,
        min_share=min_share,
    ).regions
    crops["truth"] = _recognisable(crops, truth)
    votes.append(_votes(crops, "region", 1, annotators, flip, [seed, _REGION]))
    return Answers(boxes, pd.concat(votes, ignore_index=True), sizes)


def score_regions(
    regions: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, float]:
    """How good regions are against the truth.

    Args:
        regions: of `build_regions`.
        truth: see the module; it also says which pairs were offered.
        resamples: of the bootstrap over images, as `level` and `seed`.
        level: of the intervals.
        seed: of the draws.

    Returns:
        ``offered``, ``kept``: pairs; ``precision``: share of kept pairs whose action is visible;
        ``recall``: share of visible pairs that are kept; over the kept pairs that are visible,
        ``IoU`` of the region and the true boxes, ``coverage``, the share of the true pixels that is
        in the region, and ``purity``, the share of the region that is true. Each with ``low`` and
        ``high``; NaN where nothing is counted, ends NaN of a single image.

    Raises:
        InputError: a truth that breaks its form, or regions of pairs that are not in it.
    """
    truth = check_truth(truth)
    there = pd.MultiIndex.from_frame(regions[PAIR]).isin(pd.MultiIndex.from_frame(truth[PAIR]))
    if not there.all():
        row = regions.iloc[int(there.argmin())]
        raise InputError(
            f"truth: has no row of image {row['image']!r}, action {row['action']!r}, of which "
            "there is a region; add it, with an empty box if the action is not visible"
        )
    of_image = dict(image_masks(regions))
    rows = []
    for (image, action), boxes in truth.groupby(PAIR):
        mask = of_image.get(image, {}).get(action)
        visible = boxes["x"].notna().any()
        row = {"image": image, "visible": visible, "kept": mask is not None}
        if visible and mask is not None:
            true = _true_masks(boxes).any(axis=0)
            both = (mask & true).sum()
            row["IoU"] = both / (mask | true).sum()
            row["coverage"], row["purity"] = both / true.sum(), both / mask.sum()
        rows.append(row)
    pairs = pd.DataFrame(rows, columns=["image", "visible", "kept", "IoU", "coverage", "purity"])
    measures = {
        "precision": pairs["visible"].where(pairs["kept"]),
        "recall": pairs["kept"].where(pairs["visible"]),
        **{name: pairs[name] for name in ("IoU", "coverage", "purity")},
    }
    found = {"offered": len(pairs), "kept": int(pairs["kept"].sum())}
    for name, values in measures.items():
        draws = {"resamples": resamples, "level": level, "seed": seed}
        found |= interval_columns(name, _mean(values.astype(float), pairs["image"], draws))
    return found


def quality_by_rounds(
    truth: pd.DataFrame,
    *,
    seed: int,
    rounds: Sequence[int] = (1, 2, 3, 4),
    resamples: int = 2000,
    level: float = 0.95,
    min_share: float = 0.005,
    **errors: Any,
) -> pd.DataFrame:
    """The quality of the regions for each number of rounds and of rounds that must overlap.

    Args:
        truth: see the module.
        seed: of the simulated annotators, who are the same in every row.
        rounds: numbers n of rounds of boxes.
        resamples: of the bootstrap over images.
        level: of the intervals.
        min_share: of `propose_regions`.
        errors: the other arguments of `simulate_annotators`.

    Returns:
        A row for each n and each k from 1 to n: rounds, at_least, and what `score_regions` gives.
        k = n is the paper's overlap, k = 1 the union.
    """
    rows = []
    for n in rounds:
        for k in range(1, n + 1):
            settings = {"rounds": n, "at_least": k, "min_share": min_share}
            answers = simulate_annotators(truth, seed=seed, **settings, **errors)
            asked = {"visible_rounds": errors.get("visible_rounds", 2)}
            built = build_regions(*answers, **settings, **asked)
            scores = score_regions(built.regions, truth, resamples=resamples, level=level)
            rows.append({"rounds": n, "at_least": k} | scores)
    return pd.DataFrame(rows)


def check_truth(truth: pd.DataFrame) -> pd.DataFrame:
    """The truth with its columns typed.

    Raises:
        InputError: a missing column, a box that is half empty, without area or outside of its
            image, an image of two sizes, or a pair with an empty box beside others.
    """
    result = checked(truth, _TRUTH, where=truth.attrs.get("file", "truth"))
    check_sides(result)
    first = result.groupby("image")[["image_width", "image_height"]].transform("first")
    for side in first:
        remedy = "differs from an earlier row of the image; give an image one size"
        complain(result, side, result[side] != first[side], remedy, result[side])
    beside = result["x"].isna() & (result.groupby(PAIR)["x"].transform("size") > 1)
    complain(result, "x", beside, "means not visible, but the pair has another row; drop one")
    check_inside(result, _sizes(result))
    return result


def _check_errors(
    shares: dict[str, float], *, jitter: float, scale: float, annotators: int
) -> None:
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise InputError(f"simulated annotators: {name} is {share}; give a share, 0 to 1")
    if not (jitter >= 0 and scale > 0 and annotators >= 1):
        raise InputError(
            f"simulated annotators: jitter ({jitter}) must be 0 or more, scale ({scale}) above 0, "
            f"annotators ({annotators}) 1 or more"
        )


def _sizes(truth: pd.DataFrame) -> pd.DataFrame:
    sizes = truth[["image", "image_width", "image_height"]].drop_duplicates("image")
    sizes = sizes.set_axis(["image", "width", "height"], axis=1).reset_index(drop=True)
    sizes.attrs["file"] = "the image sizes of the truth"
    return sizes


def _votes(
    asked: pd.DataFrame, stage: str, number: int, annotators: int, flip: float, seed: list[int]
) -> pd.DataFrame:
    """Votes on each row of `asked`, whose column `truth` is the true answer."""
    wrong = np.random.default_rng(seed).random((len(asked), annotators)) < flip
    rows = asked.loc[asked.index.repeat(annotators)].reset_index(drop=True)
    people = [f"{stage}-{number}-{person}" for person in range(1, annotators + 1)]
    return pd.DataFrame(
        {
            "image": rows["image"],
            "action": rows["action"],
            "stage": stage,
            "round": number,
            "annotator": people * len(asked),
            "yes": (rows["truth"].to_numpy(bool) ^ wrong.ravel()).astype(int),
            "region": rows["region"].astype("Int64") if stage == "region" else pd.NA,
        }
    ).astype({"region": "Int64"})


def _chosen(
    truth: pd.DataFrame,
    distractors: pd.DataFrame,
    rng: np.random.Generator,
    miss: float,
    wrong_object: float,
    skip: float,
) -> tuple[np.ndarray, np.ndarray]:
    """What a person means to draw for each row of the truth [rows, 4], and whether they do."""
    chance, other, which = rng.random((3, len(truth)))
    place = rng.random((len(truth), 2))
    visible = truth["x"].notna().to_numpy()
    drawn = np.where(visible, chance >= miss, chance >= skip)
    frame = truth[["image_width", "image_height"]].to_numpy(float)
    meant = truth[BOX].to_numpy(float)
    others, of_image = distractors[BOX].to_numpy(float), distractors.groupby("image").indices
    for row in np.flatnonzero(~visible | (other < wrong_object)):
        choices = of_image.get(truth["image"].iloc[row])
        if choices is not None:
            meant[row] = others[choices[int(which[row] * len(choices))]]
        else:
            sides = meant[row, 2:] if visible[row] else frame[row] / 2
            meant[row] = [*(place[row] * (frame[row] - sides)), *sides]
    return meant, drawn


def _drawn(
    meant: np.ndarray, truth: pd.DataFrame, rng: np.random.Generator, jitter: float, scale: float
) -> np.ndarray:
    """Boxes as drawn, [rows, 4], at least a pixel wide and high, within the image."""
    moved = rng.normal(size=(2, len(meant), 2)) * jitter  # of the near and the far corner
    if jitter == 0 and scale == 1:
        return meant.copy()
    frame = truth[["image_width", "image_height"]].to_numpy(float)
    start, sides = meant[:, :2], meant[:, 2:]
    corners = start + sides / 2 + np.array([-0.5, 0.5])[:, None, None] * scale * sides
    corners = np.sort(corners + moved * sides, axis=0)
    near = corners[0].clip(0, frame - 1)
    far = np.maximum(corners[1].clip(0, frame), near + 1)
    return np.hstack([near, far - near])


def _recognisable(crops: pd.DataFrame, truth: pd.DataFrame) -> list[bool]:
    """Whether each crop holds at least half of the pixels of a true box of its pair."""
    visible = dict(iter(truth.dropna(subset=BOX).groupby(PAIR)))
    found = []
    for crop in crops.itertuples():
        boxes = visible.get((crop.image, crop.action))
        if boxes is None:
            found.append(False)
            continue
        true = _true_masks(boxes)
        rows = slice(crop.y, crop.y + crop.height)
        inside = true[:, rows, crop.x : crop.x + crop.width].sum(axis=(1, 2))
        found.append(bool((inside >= 0.5 * true.sum(axis=(1, 2))).any()))
    return found


def _true_masks(boxes: pd.DataFrame) -> np.ndarray:
    """Masks [boxes, h, w] bool of the true boxes of a pair."""
    frame = (int(boxes["image_height"].iloc[0]), int(boxes["image_width"].iloc[0]))
    return region_masks([[box] for box in boxes[BOX].to_numpy(float)], frame=frame)


def _mean(values: pd.Series, images: pd.Series, draws: dict[str, Any]) -> Interval:
    there = values.notna()
    if images[there].nunique() > 1:
        return cluster_mean_interval(values.to_numpy(), images.to_numpy(), **draws)
    nan = float("nan")
    return Interval(float(values[there].mean()) if there.any() else nan, nan, nan)


def write_quality(
    truth: str | Path,
    output: str | Path,
    *,
    evaluation: Mapping[str, Any],
    images: int = 600,
    **settings: Any,
) -> None:
    """`quality_by_rounds` from file to file.

    Args:
        truth: CSV of the truth, whose first images are used.
        output: CSV.
        evaluation: resamples and confidence, as in params.yaml.
        images: how many.
        settings: the other arguments of `quality_by_rounds`.
    """
    table = read_csv(truth)
    table = table[table["image"].isin(table["image"].drop_duplicates()[:images])]
    settings.pop("wrong", None)
    quality = quality_by_rounds(
        table, resamples=evaluation["resamples"], level=evaluation["confidence"], **settings
    )
    with whole_file(output) as temporary:
        quality.to_csv(temporary, index=False, float_format=number_format("%.4f"))
