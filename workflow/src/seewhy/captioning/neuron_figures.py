"""Figures of single neurons: Figures 3 and 4 of the paper, and what interpretability costs.

They are drawn from the files of `trace_neurons` and `read_neurons`, at the size of print.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from seewhy.captioning.predictions import model_and_seed
from seewhy.corpora.canonical import read_table
from seewhy.errors import InputError
from seewhy.figures import COLOURS, bare, figure
from seewhy.files import open_hdf5, read_json
from seewhy.scores.interpretability import auc
from seewhy.text.tokens import tokenise
from seewhy.text.vectors import read_topic_vectors, vectors_of

WIDTH, DPI = 7.2, 200  # inches of a printed page's text, pixels an inch
SMALL = 7  # points, the smallest letters
GREY, PALE = "0.55", "#A8CDE6"
TRADED = {
    "signed AUC": "AUC of eq. 9's neuron",
    "single-neuron AUC": "AUC of the best neuron",
    "disentanglement": "disentanglement (DCI)",
}


@dataclass(frozen=True)
class Traces:
    """What `trace_neurons` wrote of one captioner, with its letters and shapes."""

    clips: list[str]
    lengths: np.ndarray
    means: np.ndarray
    topics: list[str]
    neuron: np.ndarray
    activations: np.ndarray
    predicted: np.ndarray
    measured: np.ndarray

    @classmethod
    def read(cls, path: str | Path) -> Traces:
        """Read the file.

        Raises:
            InputError: missing, cut short, or another file.
        """
        arrays = ("lengths", "means", "neuron", "activations", "predicted", "measured")
        with open_hdf5(path, needs=("clip", "topic", *arrays)) as file:
            return cls(
                clips=list(file["clip"].asstr()[:]),
                topics=list(file["topic"].asstr()[:]),
                **{name: file[name][:] for name in arrays},
            )

    @property
    def readable(self) -> np.ndarray:
        """Topics that enough clips have, and that have a neuron: bool [t]."""
        return self.measured & (self.neuron >= 0)


def read_traces(
    paths: Mapping[str, str | Path], topics: str | Path
) -> tuple[dict[str, Traces], np.ndarray]:
    """Traces of several models on the same clips, and the topic vectors of these.

    Args:
        paths: for each model its file.
        topics: s of all clips (CSV, from `mine_topics`).

    Returns:
        The traces of each model, and s, uint8 [c, t].

    Raises:
        InputError: an unreadable file, or files of different clips or topics.
    """
    traces = {model: Traces.read(path) for model, path in paths.items()}
    vectors = read_topic_vectors(topics)
    first = next(iter(traces.values()))
    for model, own in traces.items():
        if own.clips != first.clips or own.topics != list(vectors.columns):
            raise InputError(
                f"{paths[model]}: of other clips or topics than the other files; run the rule "
                "trace_neurons again"
            )
    return traces, vectors_of(vectors, first.clips, split="test")


def share_a_word(name: str, others: Sequence[str]) -> bool:
    """Whether a topic's name (``woman_lady``) has a word that one of the others has."""
    return any(set(name.split("_")) & set(other.split("_")) for other in others)


def label_of(name: str) -> str:
    """A topic's name for people: ``woman, lady``."""
    return name.replace("_", ", ")


# --- Figure 3 -------------------------------------------------------------------------------------


def choose_topics(names: Sequence[str], s: np.ndarray, admitted: np.ndarray, n: int) -> list[int]:
    """Topics from frequent to rare: the middle one of each n-th of the ranking.

    Where the name of that one shares a word with a topic that is already chosen, the next in the
    ranking is taken.

    Args:
        names: of the topics.
        s: topic vectors, [c, t].
        admitted: which topics may be chosen, bool [t].
        n: how many, at most.

    Returns:
        Columns, the most frequent topic first.
    """
    ranking = sorted(np.flatnonzero(admitted), key=lambda topic: -int(s[:, topic].sum()))
    chosen: list[int] = []
    for part in range(n):
        for topic in ranking[(2 * part + 1) * len(ranking) // (2 * n) :]:
            if not share_a_word(names[topic], [names[other] for other in chosen]):
                chosen.append(int(topic))
                break
    return chosen


def mean_activations(means: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean activation of every neuron over the clips that have a topic, and those that lack it.

    Args:
        means: mean features of the clips, [c, v].
        s: topic vectors, 0 or 1, [c, t].

    Returns:
        Two float64 [t, v]; not a number for a topic that all clips have, or none.
    """
    has = s.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return tuple(side.T @ means / side.sum(axis=0)[:, None] for side in (has, 1 - has))


def draw_activations(
    paths: Mapping[str, str | Path], topics: str | Path, output: str | Path, *, n_topics: int = 6
) -> None:
    """Figure 3: mean activations of all neurons on the test clips of some topics, by model.

    Args:
        paths: for each model its file of `trace_neurons`.
        topics: s of all clips (CSV, from `mine_topics`).
        output: PNG.
        n_topics: how many topics, see `choose_topics`.

    Raises:
        InputError: see `read_traces`.
    """
    traces, s = read_traces(paths, topics)
    names = next(iter(traces.values())).topics
    admitted = np.all([own.readable for own in traces.values()], axis=0)
    chosen = choose_topics(names, s, admitted, n_topics)
    with figure(output, width=WIDTH, height=0.8 + len(chosen), dpi=DPI) as drawn:
        grid = drawn.subplots(len(chosen), len(traces), sharex="col", sharey="col", squeeze=False)
        for column, (model, own) in zip(grid.T, traces.items(), strict=True):
            order = np.argsort(own.means.mean(axis=0), kind="stable")
            with_topic, without = mean_activations(own.means, s)
            scores = auc(own.means.astype(float), s[:, chosen])
            for row, (axes, topic) in enumerate(zip(column, chosen, strict=True)):
                neuron = own.neuron[topic]
                _draw_means(axes, with_topic[topic, order], without[topic, order], order == neuron)
                head = f"{label_of(names[topic])} ({s[:, topic].sum()} clips)"
                axes.set_title(head, fontsize=8, pad=2)
                about = f"neuron {neuron}: AUC {scores[neuron, row]:.2f}"
                axes.set_title(about, loc="right", fontsize=SMALL, color=COLOURS[1], pad=2)
            column[0].annotate(f"LSTM-{model}", (0.5, 1), (0, 15), "axes fraction",
                               "offset points", ha="center", fontsize=10)  # fmt: skip
            column[-1].set_xlabel(
                f"the {len(order)} neurons, by mean activation over all test clips", fontsize=8
            )
            if own.means.min() >= 0:
                column[-1].set_ylim(bottom=0)
        for axes in grid[:, 0]:
            axes.set_ylabel("activation", fontsize=SMALL)
        handles, labels = grid[0, 0].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=SMALL,
                     handlelength=1.2, columnspacing=1.5)  # fmt: skip


def _draw_means(axes: Axes, with_topic: np.ndarray, without: np.ndarray, named: np.ndarray) -> None:
    """One panel of `draw_activations`; all [v], `named` marks the neuron of the topic."""
    place = np.arange(len(named))
    thin = min(1.0, 200 / len(named))  # points, so that the lines of many neurons stay apart
    axes.vlines(place, 0, with_topic, color=PALE, lw=thin, label="mean over clips with the topic")
    more = with_topic > without
    axes.vlines(place[more], without[more], with_topic[more], color=COLOURS[0], lw=thin,
                label="its lead over the clips without it")  # fmt: skip
    axes.plot(place, without, color="black", lw=0.8, label="mean over clips without it")
    axes.vlines(place[named], 0, with_topic[named], color=COLOURS[1], lw=2.2,
                label="the topic's neuron (eq. 9)")  # fmt: skip
    axes.plot(place[named], with_topic[named], "v", color=COLOURS[1], ms=4)
    axes.set_xlim(-2, len(named) + 1)
    axes.set_xticks([])
    axes.tick_params(labelsize=SMALL)


# --- Figure 4 -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """A clip, the topics of its captions that are shown, and others that it lacks."""

    row: int
    relevant: list[int]
    irrelevant: list[int]


def sample_clips(
    traces: Mapping[str, Traces],
    s: np.ndarray,
    known: np.ndarray,
    *,
    n: int,
    most: int,
    seed: int,
) -> list[Sample]:
    """Draw clips with topics at random, and choose topics to show with each.

    Topics are the same for all models, and their names share no word:

    - relevant: those of the clip, the rarest in the test clips first, since they say most;
    - irrelevant: those that it lacks and that all models together take to be there most, by the
      mean of their f.

    Args:
        traces: of each model.
        s: topic vectors, [c, t].
        known: which clips may be drawn, bool [c].
        n: how many clips, at most.
        most: relevant topics, and irrelevant ones, at most.
        seed: of the draw.
    """
    names = next(iter(traces.values())).topics
    readable = np.all([own.readable for own in traces.values()], axis=0)
    predicted = np.mean([own.predicted for own in traces.values()], axis=0)
    rarest = [t for t in np.argsort(s.sum(axis=0), kind="stable") if readable[t]]
    samples = []
    for row in np.random.default_rng(seed).permutation(np.flatnonzero(known)):
        relevant = _distinct_names([t for t in rarest if s[row, t]], names, [], most)
        if not relevant:
            continue
        confusable = [t for t in np.argsort(-predicted[row], kind="stable")
                      if readable[t] and not s[row, t]]  # fmt: skip
        has = [names[topic] for topic in np.flatnonzero(s[row])]
        samples.append(Sample(int(row), relevant, _distinct_names(confusable, names, has, most)))
        if len(samples) == n:
            break
    return sorted(samples, key=lambda sample: sample.row)


def _distinct_names(
    topics: Sequence[int], names: Sequence[str], taken: Sequence[str], most: int
) -> list[int]:
    """The first `most` topics whose names share no word with each other, nor with those taken."""
    chosen: list[int] = []
    for topic in topics:
        others = [*taken, *(names[other] for other in chosen)]
        if len(chosen) < most and not share_a_word(names[topic], others):
            chosen.append(int(topic))
    return chosen


def telling_caption(captions: Sequence[str], names: Sequence[str]) -> str:
    """The caption that holds words of most of these topics' names, the first of several."""

    def held(caption: str) -> int:
        words = set(tokenise(caption))
        return sum(bool(words & set(name.split("_"))) for name in names)

    return max(captions, key=held)


def draw_neurons(
    frames_path: str | Path,
    paths: Mapping[str, str | Path],
    topics: str | Path,
    corpus: str | Path,
    output: str | Path,
    *,
    clips: int = 4,
    strip: int = 7,
    most: int = 3,
    seed: int = 0,
) -> None:
    """Figure 4: activations over time of the neurons of relevant and irrelevant topics.

    A row a topic: the activation of its neuron in each frame. A row is full where the neuron is
    as active as in the highest 1% of all frames of the test clips.

    Args:
        frames_path: sampled frames (HDF5) of the test clips.
        paths: for each model its file of `trace_neurons`.
        topics: s of all clips (CSV, from `mine_topics`).
        corpus: in canonical form.
        output: PNG.
        clips: how many clips.
        strip: frames shown of each.
        most: relevant topics, and irrelevant ones, at most; see `sample_clips`.
        seed: of the choice of clips.

    Raises:
        InputError: see `read_traces`; or no clip has a topic that can be shown.
    """
    traces, s = read_traces(paths, topics)
    captions = read_table(corpus, "captions").groupby("clip")["text"].agg(list)
    first = next(iter(traces.values()))
    with open_hdf5(frames_path, needs=("frames", "clip")) as file:
        frame_row = {clip: row for row, clip in enumerate(file["clip"].asstr()[:])}
        known = np.array([clip in frame_row and clip in captions for clip in first.clips])
        samples = sample_clips(traces, s, known, n=clips, most=most, seed=seed)
        if not samples:
            raise InputError(
                f"{topics}: no test clip with captions has a topic that can be shown; lower "
                "neurons.least_clips, or use more clips"
            )
        with figure(output, width=WIDTH, height=0.7 + 1.95 * len(samples), dpi=DPI) as drawn:
            grid = drawn.subplots(
                2 * len(samples),
                len(traces),
                height_ratios=[1, 2.8] * len(samples),
                squeeze=False,
            )
            for sample, strips, rows in zip(samples, grid[::2], grid[1::2], strict=True):
                clip, length = first.clips[sample.row], int(first.lengths[sample.row])
                many = min(strip, length)
                shown = ((np.arange(many) + 0.5) * length / many).astype(int)
                pictures = np.concatenate(list(file["frames"][frame_row[clip]][shown]), axis=1)
                names = [first.topics[topic] for topic in sample.relevant]
                caption = telling_caption(captions[clip], names)
                strips[0].set_title(textwrap.shorten(f"{clip}: “{caption}”", 110), fontsize=8)
                for picture, axes, own in zip(strips, rows, traces.values(), strict=True):
                    picture.imshow(pictures, extent=(0, length, 0, 1), aspect="auto")
                    bare(picture)
                    _draw_rows(axes, sample, own)
                for axes in rows[1:]:
                    axes.set_yticklabels([])
            for model, top, bottom in zip(traces, grid[0], grid[-1], strict=True):
                top.annotate(f"LSTM-{model}", (0.5, 1), (0, 18), "axes fraction",
                             "offset points", ha="center", fontsize=10)  # fmt: skip
                bottom.set_xlabel("time, as in the frames above", fontsize=8)
            handles = [Patch(color=colour) for colour in COLOURS[:2]]
            labels = ["topics of the clip's reference captions",
                      "topics it lacks that the networks come closest to predicting"]  # fmt: skip
            drawn.legend(handles, labels, loc="outside upper center", ncols=2, fontsize=8)


def _draw_rows(axes: Axes, sample: Sample, own: Traces) -> None:
    """A row a topic: its neuron's activation by frame, with the neuron's number behind it."""
    topics = sample.relevant + sample.irrelevant
    lacks = np.arange(len(topics)) >= len(sample.relevant)
    floors = -1.2 * np.arange(len(topics)) - 0.5 * lacks  # a row is one high, and a gap between
    length = int(own.lengths[sample.row])
    real = np.arange(own.activations.shape[1]) < own.lengths[:, None]  # [c, n]
    signed = own.activations.min() < 0
    times = np.arange(length) + 0.5  # the middle of each frame's stretch
    for topic, floor, colour in zip(
        topics, floors, np.array(COLOURS)[lacks.astype(int)], strict=True
    ):
        whole = abs(own.activations[:, :, topic])
        full = np.quantile(whole[real], 0.99) or whole.max() or 1
        activation = np.clip(own.activations[sample.row, :length, topic] / full, -1, 1)
        zero = floor + 0.5 * signed
        heights = zero + activation / (1 + signed)
        axes.fill_between(times, zero, heights, color=colour, alpha=0.75, lw=0)
        axes.plot(times, heights, color=colour, lw=0.8)
        axes.plot((0, length), (zero, zero), color=GREY, lw=0.5)
        axes.text(length * 1.01, floor, f"#{own.neuron[topic]}", fontsize=SMALL, color="0.35")
    axes.set(xlim=(0, length), ylim=(floors[-1] - 0.1, 1.05))
    axes.tick_params(length=0, labelsize=8)
    axes.set(xticks=[], yticks=floors + 0.4)
    axes.set_yticklabels([label_of(own.topics[topic]) for topic in topics])
    axes.spines[:].set_visible(False)


# --- lambda ---------------------------------------------------------------------------------------


def draw_tradeoff(
    table_path: str | Path,
    swept: Sequence[str | Path],
    baseline: Sequence[str | Path],
    output: str | Path,
) -> None:
    """What the interpretive loss costs and brings (section 2.1), on validation clips, by lambda.

    LSTM-B is no point of the curve but a line, since it may differ from LSTM-I in more than lambda;
    ``sweep.lambdas`` may hold 0.

    Args:
        table_path: CSV, from `tabulate_lambda`.
        swept: measures (JSON, from `read_neurons`) of the models ``lambda-<value>``, each seed.
        baseline: the same of LSTM-B, which is trained without the interpretive loss.
        output: PNG.
    """
    table = pd.read_csv(table_path)
    lambdas = list(table["lambda"])
    found: dict[float, list[dict[str, float]]] = {value: [] for value in lambdas}
    for path in swept:
        model, _ = model_and_seed(path)
        found[float(model.removeprefix("lambda-"))].append(read_json(path)["val"])
    without = [read_json(path)["val"] for path in baseline]
    place = np.arange(len(lambdas))
    chosen = int((table["row"] == "chosen").argmax())
    with figure(output, width=WIDTH, height=2.6, dpi=DPI) as drawn:
        bleu, *others = drawn.subplots(1, 1 + len(TRADED))
        error = [table["BLEU-4"] - table["BLEU-4 low"], table["BLEU-4 high"] - table["BLEU-4"]]
        bleu.errorbar(place, table["BLEU-4"], yerr=error, fmt="o-", color=COLOURS[0], ms=4,
                      capsize=2.5, lw=1.2, label="LSTM-I, interval over clips")  # fmt: skip
        bleu.set_title("BLEU-4", fontsize=8)
        for axes, (measure, title) in zip(others, TRADED.items(), strict=True):
            by_lambda = [[one[measure] for one in found[value]] for value in lambdas]
            axes.plot(place, [np.mean(values) for values in by_lambda], color=COLOURS[0], lw=1.2,
                      label="LSTM-I, mean of seeds")  # fmt: skip
            for x, values in zip(place, by_lambda, strict=True):
                axes.plot([x] * len(values), values, "o", color=COLOURS[0], ms=3, alpha=0.6,
                          label="" if x else "a seed")  # fmt: skip
            values = [one[measure] for one in without]
            axes.axhline(np.mean(values), color=COLOURS[1], lw=1.2, ls="--",
                         label="LSTM-B, mean and range")  # fmt: skip
            axes.axhspan(min(values), max(values), color=COLOURS[1], alpha=0.15, lw=0)
            axes.set_title(title, fontsize=8)
        for axes in (bleu, *others):
            axes.axvline(chosen, color=GREY, lw=6, alpha=0.35, zorder=0, label="chosen lambda")
            axes.set_xticks(place, [f"{value:g}" for value in lambdas])
            axes.set_xlabel("lambda", fontsize=8)
            axes.set_xlim(-0.4, len(place) - 0.6)
            axes.tick_params(labelsize=SMALL)
        drawn.supylabel("on validation clips", fontsize=8)
        looks = {}
        for axes in (bleu, others[0]):
            looks |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        drawn.legend(looks.values(), looks.keys(), loc="outside upper center", ncols=5,
                     fontsize=SMALL, handlelength=1.5, columnspacing=1.2)  # fmt: skip
