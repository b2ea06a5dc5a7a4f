"""Table 5: do maps of noun phrases peak inside what the phrases name?

The paper's protocol (section 6): a human caption is fed in, the map of each noun phrase is made,
and it is a hit if the map's maximum is inside the phrase's box. Here each frame of a clip in which
the thing shows is such an item (an image is a clip of one frame). Beside it there are

* the same with the exact mask (``mask``), and for phrases that name stuff (``stuff``);
* ``two things``: in frames that show two things of different classes, both named in the caption,
  how often the map of one is higher over it than over the other, on average over their pixels. A
  map of what is salient, whatever the word, gets 1/2;
* rows that know nothing of the word: a random point (its exact chance), the centre, the layer's
  activations; and cEB-R asked for another noun in the word's place;
* a second block in which the network's own captions are fed in. Its nouns are linked to all things
  of the clip that people call so, and those that are not there are left out: their share is in
  ``nouns there``. Compare with that block's own chance, not with the first block.

References:
    S. Bargal et al., Excitation Backprop for RNNs, CVPR 2018.
    V. Ramanishka et al., Top-down Visual Saliency Guided by Captions, CVPR 2017.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from seewhy.captioning.predictions import read_predictions
from seewhy.device import choose_device
from seewhy.files import whole_file
from seewhy.grounding.caption_guided import caption_guided_saliency
from seewhy.grounding.chain import Chain
from seewhy.grounding.checkpoint import load_word_network
from seewhy.grounding.clips import ClipFile
from seewhy.grounding.maps import (
    asked_layer,
    down,
    evidence_of_word,
    ground_word,
    inference,
    look,
)
from seewhy.grounding.networks import MeanPoolCaptioner
from seewhy.grounding.phrases import (
    GROUPS,
    OTHERS,
    STUFF,
    Phrase,
    PhraseTruth,
    linked_phrases,
    spoken_phrases,
)
from seewhy.progress import progress
from seewhy.scores.clusters import cluster_mean_interval
from seewhy.scores.pointing import pointing_chance, pointing_hits, upsample
from seewhy.text.tokens import EOS, Vocabulary

log = logging.getLogger(__name__)

ROWS = {
    "random point": "chance",
    "centre": "baseline",
    "activations": "baseline",
    "caption-guided saliency": "baseline (Ramanishka et al. 2017)",
    "BP": "baseline",
    "EB-R": "ours",
    "cEB-R": "ours",
    "cEB-R.paper": "ours, other rule",
    "cEB-R.gates-const": "ours, other rule",
    "cEB-R, another noun": "control",
}
WITHOUT_WORD = ("random point", "centre", "activations")
PUBLISHED = {
    "random point": 0.268,
    "centre": 0.492,
    "caption-guided saliency": 0.501,
    "cEB-R": 0.512,
}
MEASURES = (*GROUPS, OTHERS, "all", "mask", STUFF, "two things")
A_BATCH = 8  # phrases at a time


def tabulate_phrases(
    model: str | Path,
    corpus: str | Path,
    frames: str | Path,
    captions: str | Path,
    table: str | Path,
    *,
    name: str,
    steps: int,
    count: int,
    asked: str = "head",
    layer: str | None = None,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Write Table 5.

    Args:
        model: from `train_word_network`.
        corpus: folder in canonical form, with phrases and truth by the frame.
        frames: of the test split.
        captions: generated ones of the same clips (`caption_by_words`).
        table: CSV: block, row, kind, and each of `MEASURES` with its interval over clips.
        name: of the corpus.
        steps: frames of a clip (of clips that have fewer: those).
        count: phrases of human captions that name things; the clips are drawn by `seed`, and are
            the same in all rows.
        asked: ``head`` or ``sum`` (`seewhy.grounding.phrases`).
        layer: of the CNN, whose maps are scored; None: its last convolution.
        resamples: of the bootstrap over clips.
        confidence: coverage of the intervals.
        seed: of clips and bootstrap.
        device: ``cpu``, ``cuda`` or ``auto``.

    Raises:
        InputError: no linked phrases, no truth, frames or a layer that do not fit.
    """
    on = choose_device(device)
    captioner, vocabulary = load_word_network(model)
    captioner.to(on)
    file = ClipFile(frames)
    steps = min(steps, int(file.lengths.max()))
    linked = linked_phrases(corpus, file, count=count, seed=seed)
    clips = list(dict.fromkeys(phrase.clip for phrase in linked))
    spoken, there = spoken_phrases(corpus, file, read_predictions(captions), clips)
    log.info("%d clips, %d human phrases, %d generated", len(clips), len(linked), len(spoken))
    bootstrap = {"resamples": resamples, "level": confidence, "seed": seed}
    rows = []
    with PhraseTruth(corpus, file, steps) as truth:
        for block, phrases in {"human captions": linked, "generated captions": spoken}.items():
            asks = Asks(captioner, vocabulary, phrases, asked=asked, layer=layer, seed=seed)
            for row, items in score_phrases(asks, file, truth, steps, what=block).items():
                line = {"block": block, "row": row, "kind": ROWS[row], "corpus": name}
                if block != "human captions":
                    line["nouns there"] = there
                rows.append(line | summary(items, **bootstrap))
    kind = "published (Bargal et al. 2018, Table 5: boxes, images)"
    rows += [
        {"block": "human captions", "row": row, "kind": kind, "corpus": "flickr30k", "all": value}
        for row, value in PUBLISHED.items()
    ]
    columns = ["block", "row", "kind", "corpus", "clips", "phrases", "items", "nouns there"]
    for measure in MEASURES:
        columns += [measure, f"{measure} low", f"{measure} high"]
    result = pd.DataFrame(rows, columns=columns)
    for column in ("clips", "phrases", "items"):
        result[column] = result[column].astype("Int64")
    with whole_file(table) as temporary:
        result.to_csv(temporary, index=False, float_format="%.4f")


class Asks:
    """What the captioner is asked: words of captions, phrase by phrase.

    Args:
        captioner: in evaluation mode.
        vocabulary: its words.
        phrases: of one block.
        asked: see `tabulate_phrases`.
        layer: see there.
        seed: of the other nouns.
    """

    def __init__(
        self,
        captioner: MeanPoolCaptioner,
        vocabulary: Vocabulary,
        phrases: Sequence[Phrase],
        *,
        asked: str,
        layer: str | None,
        seed: int,
    ) -> None:
        self.captioner, self.vocabulary, self.phrases = captioner, vocabulary, phrases
        self.asked, self.layer = asked, layer
        rng = np.random.default_rng(seed)
        self.other = [self._other(phrase, rng) for phrase in phrases]

    def _other(self, phrase: Phrase, rng: np.random.Generator) -> str:
        """A head noun of these captions for a thing that is not in this one."""
        here = {name for one in self.phrases if one.clip == phrase.clip for name in one.classes}
        words = sorted(
            {one.words[one.head] for one in self.phrases if not one.classes & here}
            - set(phrase.words)
        )
        return str(rng.choice(words)) if words else phrase.words[phrase.head]

    def maps(self, numbers: Sequence[int], x: Tensor) -> dict[str, Tensor]:
        """Maps of some phrases, ``[phrases, T, h, w]``, by row of the table.

        Args:
            numbers: of the phrases.
            x: their clips' frames ``[phrases, T, 3, h, w]``.
        """
        phrases = [self.phrases[number] for number in numbers]
        positions = [phrase.positions(self.asked) for phrase in phrases]
        of = torch.tensor([k for k, own in enumerate(positions) for _ in own], device=x.device)
        position = torch.tensor([p for own in positions for p in own], device=x.device)
        encoded = [self.vocabulary.encode(" ".join(phrase.words)) for phrase in phrases]
        words = torch.full((len(phrases), max(map(len, encoded))), EOS)
        for k, one in enumerate(encoded):
            words[k, : len(one)] = torch.from_numpy(one)
        words = words.to(x.device)[of]
        others = torch.tensor([self.vocabulary.index(self.other[n]) for n in numbers])
        wrong = words.scatter(1, position[:, None], others.to(x.device)[of, None])
        captioner = self.captioner
        with inference(captioner):
            chain = Chain(captioner.cnn)
            keep = asked_layer(chain, self.layer)
            chain.require_rectified(keep)
            seen = look(chain, x[of], keep, batch=64)

            def excited(words: Tensor, *, contrastive: bool = True, rule: str = "released"):
                evidence = evidence_of_word(
                    captioner, seen.features, words, position, contrastive=contrastive, rule=rule
                )
                return down(chain, seen, evidence)

            activations = torch.cat([part[0].sum(dim=1) for part in seen.activations])
            maps = {
                "centre": _centre(x[of]),
                "activations": activations.unflatten(0, (len(of), -1)),
                "caption-guided saliency": caption_guided_saliency(
                    captioner, x[of], words, position, layer=self.layer, batch=256
                ),
                "BP": ground_word(captioner, x[of], words, position, method="BP"),
                "EB-R": excited(words, contrastive=False),
                "cEB-R": excited(words),
                "cEB-R.paper": excited(words, rule="paper"),
                "cEB-R.gates-const": excited(words, rule="gates-const"),
                "cEB-R, another noun": excited(wrong),
            }
        return {
            row: own.new_zeros(len(phrases), *own.shape[1:]).index_add(0, of, own)
            for row, own in maps.items()
        }


def _centre(x: Tensor) -> Tensor:
    """Less and less from the centre on."""
    y, x_ = (torch.linspace(-1, 1, n, device=x.device) for n in x.shape[-2:])
    return -(y[:, None] ** 2 + x_[None] ** 2).expand(*x.shape[:2], *x.shape[-2:])


def score_phrases(
    asks: Asks, file: ClipFile, truth: PhraseTruth, steps: int, *, what: str = "phrases"
) -> dict[str, pd.DataFrame]:
    """Hits of each row of the table, a line a phrase and step at which its thing shows.

    Returns:
        Of each row: `clip`, `phrase` (number), `group`, `box` and `mask` (hits, shares where peaks
        are tied; NaN where there is no box), `two` (1 if the map is higher over its own thing than
        over the other's, 1/2 if equal; NaN where there is no other).
    """
    found: dict[str, list[pd.DataFrame]] = {row: [] for row in ROWS}
    size, partners = (file.size, file.size), partners_of(asks.phrases)
    with progress(what=what, total=len(asks.phrases), unit="phrase") as bar:
        for first in range(0, len(asks.phrases), A_BATCH):
            numbers = list(range(first, min(first + A_BATCH, len(asks.phrases))))
            phrases = [asks.phrases[number] for number in numbers]
            x = asks.captioner.preprocess(file.steps([one.row for one in phrases], steps))
            x = x.to(asks.captioner.classifier.weight.device)
            needed = sorted({*numbers, *(k for number in numbers for k in partners[number])})
            masks = {number: truth.masks(asks.phrases[number]) for number in needed}
            own = np.concatenate([masks[number] for number in numbers])
            boxes = [step for phrase in phrases for step in truth.boxes(phrase)]
            shows = own.any(axis=(1, 2))
            about = pd.DataFrame(
                {
                    "clip": np.repeat([one.clip for one in phrases], steps),
                    "phrase": np.repeat(numbers, steps),
                    "group": np.repeat([one.group for one in phrases], steps),
                }
            )
            chance = {
                "box": pointing_chance(boxes, frame=size, radius=0),
                "mask": pointing_chance(own, frame=size, radius=0),
            }
            for row, maps in {"random point": None, **asks.maps(numbers, x)}.items():
                if maps is None:
                    hits = chance
                    two = np.repeat([0.5 if partners[k] else np.nan for k in numbers], steps)
                else:
                    flat = maps.float().cpu().numpy().reshape(-1, *maps.shape[2:])
                    hits = {
                        "box": pointing_hits(flat, boxes, frame=size, radius=0),
                        "mask": pointing_hits(flat, own, frame=size, radius=0),
                    }
                    two = _two_things(upsample(flat, size), numbers, partners, masks)
                found[row].append(about.assign(**hits, two=two)[shows])
            bar.update(len(numbers))
    return {row: pd.concat(parts, ignore_index=True) for row, parts in found.items()}


def partners_of(phrases: Sequence[Phrase]) -> list[list[int]]:
    """For each phrase those of its caption that name things of other classes, by number."""
    of_clip: dict[str, list[int]] = {}
    for number, phrase in enumerate(phrases):
        if phrase.kind != STUFF:
            of_clip.setdefault(phrase.clip, []).append(number)
    return [
        [
            k
            for k in of_clip.get(phrase.clip, [])
            if phrase.kind != STUFF and not phrases[k].classes & phrase.classes
        ]
        for phrase in phrases
    ]


def _two_things(
    maps: np.ndarray, numbers: Sequence[int], partners: Sequence[list[int]], masks: dict
) -> np.ndarray:
    """Whether each map is higher over its own thing than over the others, ``[phrases * T]``."""
    maps = maps.reshape(len(numbers), -1, *maps.shape[1:])
    found = np.full(maps.shape[:2], np.nan)
    for k, number in enumerate(numbers):
        for t in range(maps.shape[1]):
            own = masks[number][t]
            others = [masks[p][t] for p in partners[number] if masks[p][t].any()]
            if not own.any() or not others:
                continue
            here = maps[k, t][own].mean()
            there = np.array([maps[k, t][other].mean() for other in others])
            found[k, t] = np.mean((here > there) + 0.5 * (here == there))
    return found.ravel()


def summary(
    items: pd.DataFrame, *, resamples: int, level: float, seed: int
) -> dict[str, float | int]:
    """One row of the table: every measure with its interval, clips drawn as wholes."""
    things = items[items["group"] != STUFF]
    columns = {group: (things[things["group"] == group], "box") for group in (*GROUPS, OTHERS)}
    columns |= {"all": (things, "box"), "mask": (things, "mask"), "two things": (things, "two")}
    columns[STUFF] = (items[items["group"] == STUFF], "mask")
    row: dict[str, float | int] = {
        "clips": things["clip"].nunique(),
        "phrases": things["phrase"].nunique(),
        "items": len(things),
    }
    for name, (own, column) in columns.items():
        own = own.dropna(subset=[column])
        if own["clip"].nunique() < 2:
            continue
        values, clips = own[column].to_numpy(), own["clip"].tolist()
        interval = cluster_mean_interval(values, clips, resamples=resamples, level=level, seed=seed)
        row |= {name: interval.value, f"{name} low": interval.low, f"{name} high": interval.high}
    return row
