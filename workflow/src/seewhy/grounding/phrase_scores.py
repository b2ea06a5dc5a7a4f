"""Maps of noun phrases by every method of Table 5, held against the truth.

The CNN looks once at the frames of a phrase; every variant of excitation backprop goes down from
there. The scores are a line a row of the table, phrase and step at which its thing shows:

``box``, ``mask``
    1 where the map's peak is inside, a share where peaks are tied; empty where there is no box.
``two``
    1 if the map is higher over its own thing than over another one of the caption, of another class
    (1/2 if it is as high), on average over their pixels; empty where no other shows.

For generated captions there is also the row ``nouns there``, a line a noun for things: 1 in ``box``
if there is such a thing in the clip.
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
from seewhy.files import create_hdf5, whole_file
from seewhy.grounding.caption_guided import caption_guided_saliency
from seewhy.grounding.chain import Chain
from seewhy.grounding.checkpoint import load_word_network
from seewhy.grounding.clips import ClipFile
from seewhy.grounding.maps import (
    asked_layer,
    down,
    evidence_of_word,
    ground_word,
    look,
)
from seewhy.grounding.networks import MeanPoolCaptioner
from seewhy.grounding.phrases import STUFF, Phrase, PhraseTruth, linked_phrases, spoken_phrases
from seewhy.modes import evaluating
from seewhy.progress import progress
from seewhy.scores.pointing import pointing_chance, pointing_hits, upsample
from seewhy.table_numbers import number_format
from seewhy.text.tokens import EOS, Vocabulary

log = logging.getLogger(__name__)

REFERENCE, GENERATED = "reference captions", "generated captions"
EXAMPLES = 4  # clips whose maps are kept for the figure
A_BATCH = 8  # phrases at a time


def ground_phrases(
    model: str | Path,
    corpus: str | Path,
    frames: str | Path,
    captions: str | Path,
    scores: str | Path,
    maps: str | Path,
    *,
    steps: int,
    count: int,
    asked: str = "head",
    layer: str | None = None,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Score the maps of noun phrases of reference and of generated captions of the same clips.

    Args:
        model: from `train_word_network`.
        corpus: folder in canonical form, with phrases and truth by the frame.
        frames: of the test split.
        captions: generated ones of its clips (`caption_by_words`).
        scores: CSV, see the module, with the columns `block`, `row`, `clip`, `phrase` (number) and
            `group` before.
        maps: HDF5 with cEB-R of every noun of a few generated captions, for the figure (of
            reference ones, where no generated noun names what is there): a group a noun, in the
            order of the captions, with `frames`, `maps` and `masks` ``[steps, h, w]`` (those of its
            thing) and the attributes `clip`, `caption` and `word`.
        steps: frames of a clip (of clips that have fewer: those).
        count: reference phrases that name things; the clips are drawn by `seed`, and are the same
            in all rows.
        asked: ``head`` or ``sum`` (`seewhy.grounding.phrases`).
        layer: of the CNN, whose maps are scored; None: its last convolution.
        seed: of the choice.
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
    log.info("%d clips, %d reference phrases, %d generated", len(clips), len(linked), len(spoken))
    tables = [there.assign(block=GENERATED, row="nouns there")]
    with PhraseTruth(corpus, file, steps) as truth:
        examples = None
        for block, phrases in {REFERENCE: linked, GENERATED: spoken}.items():
            asks = Asks(captioner, vocabulary, phrases, asked=asked, layer=layer, seed=seed)
            examples = asks if phrases else examples
            for row, items in score_phrases(asks, file, truth, steps, what=block).items():
                tables.append(items.assign(block=block, row=row))
        _keep_examples(maps, examples, file, truth, steps)
    columns = ["block", "row", "clip", "phrase", "group", "box", "mask", "two"]
    table = pd.concat(tables)[columns]
    table["phrase"] = table["phrase"].astype("Int64")
    with whole_file(scores) as temporary:
        table.to_csv(temporary, index=False, float_format=number_format("%.6g"))


def _keep_examples(
    path: str | Path, asks: Asks, file: ClipFile, truth: PhraseTruth, steps: int
) -> None:
    """Maps of the nouns of captions that name two things, or else one."""
    partners = partners_of(asks.phrases)
    order = sorted(range(len(partners)), key=lambda number: not partners[number])
    clips = list(dict.fromkeys(asks.phrases[number].clip for number in order))[:EXAMPLES]
    with whole_file(path) as temporary, create_hdf5(temporary) as out:
        for clip in clips:
            numbers = [k for k, phrase in enumerate(asks.phrases) if phrase.clip == clip]
            pictures = file.steps([asks.phrases[numbers[0]].row], steps)
            x = asks.captioner.preprocess(np.repeat(pictures, len(numbers), 0))
            maps = asks.maps(numbers, x.to(asks.captioner.classifier.weight.device))["cEB-R"]
            for number, one in zip(numbers, maps.cpu().numpy(), strict=True):
                phrase = asks.phrases[number]
                group = out.create_group(f"{len(out):03d}")
                group.attrs.update(
                    clip=clip, caption=" ".join(phrase.words), word=phrase.words[phrase.head]
                )
                group["frames"], group["maps"], group["masks"] = (
                    pictures[0],
                    one,
                    truth.masks(phrase),
                )


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
        with evaluating(captioner):
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
    found: dict[str, list[pd.DataFrame]] = {}
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
                found.setdefault(row, []).append(about.assign(**hits, two=two)[shows])
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
