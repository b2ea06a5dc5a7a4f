"""Figures of the captioner: training, captions with attention, lambda, corrections."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.gridspec import GridSpecFromSubplotSpec

from seewhy.captioning.predictions import model_and_seed, read_records
from seewhy.corpora.canonical import read_table
from seewhy.figures import COLOURS, HEAT, bare, figure
from seewhy.files import open_hdf5, read_json
from seewhy.training_remarks import history_remarks, in_one


def draw_training(histories: Sequence[str | Path], output: str | Path) -> None:
    """Training and validation loss by epoch: a colour a model, a line a seed, a dot the best epoch.

    A model that learnt nothing is named in red below.

    Args:
        histories: CSV files `<model>-seed<seed>.csv`, from `train_captioner`.
        output: PNG.
    """
    tables: dict[str, dict[int, pd.DataFrame]] = {}
    remarks: dict[str, list[str]] = {}
    for path in map(Path, histories):
        model, seed = model_and_seed(path)
        remarks[f"LSTM-{model}, seed {seed}"] = history_remarks(path)
        tables.setdefault(model, {})[seed] = pd.read_csv(path)
    with figure(output, width=9, height=3.6) as drawn:
        left, right = drawn.subplots(1, 2)
        for colour, (model, seeds) in zip(COLOURS * len(tables), tables.items(), strict=False):
            for number, table in enumerate(seeds.values()):
                label = f"LSTM-{model}" if number == 0 else None
                left.plot(table["epoch"], table["task"], color=colour, lw=0.8, ls=":")
                left.plot(table["epoch"], table["validation"], color=colour, lw=1.2, label=label)
                best = table.loc[table["validation"].idxmin()]
                left.plot(best["epoch"], best["validation"], "o", color=colour, ms=5)
                if table["interpretive"].any():
                    right.plot(table["epoch"], table["interpretive"], color=colour, label=label)
        left.set(xlabel="epoch", ylabel="nats a caption", title="caption loss, eq. 1")
        left.legend(title="solid: validation; dotted: training")
        right.set(
            xlabel="epoch", ylabel="squared distance", title="interpretive loss, eq. 8 (training)"
        )
        right.set_ylim(bottom=0)
        right.legend()
        told = in_one(remarks)
        if told:
            text = textwrap.shorten(f"WARNING: {told}", 600)
            drawn.text(0.02, -0.02, textwrap.fill(text, 130), color="red", va="top", fontsize=8)


def draw_lambda(table_path: str | Path, output: str | Path) -> None:
    """Validation scores against lambda, with their intervals.

    Args:
        table_path: CSV, from `tabulate_lambda`.
        output: PNG.
    """
    table = pd.read_csv(table_path)
    place = np.arange(len(table))
    with figure(output, width=7, height=3.2) as drawn:
        for axes, score in zip(drawn.subplots(1, 2), ("BLEU-4", "METEOR"), strict=True):
            values = table[score]
            error = [values - table[f"{score} low"], table[f"{score} high"] - values]
            axes.errorbar(place, values, yerr=error, fmt="o-", color=COLOURS[0], capsize=3)
            best = int((table["row"] == "chosen").argmax())
            axes.plot(place[best], values[best], "o", ms=11, mfc="none", color=COLOURS[1])
            axes.set_xticks(place, [f"{value:g}" for value in table["lambda"]])
            axes.set(xlabel="lambda", title=f"{score} on validation clips")


def draw_captions(
    frames_path: str | Path,
    predictions: Mapping[str, str | Path],
    corpus: str | Path,
    output: str | Path,
    *,
    clips: int = 8,
    strip: int = 10,
    seed: int = 0,
) -> None:
    """Film strips of random clips with reference and generated captions and the attention.

    Args:
        frames_path: sampled frames (HDF5) of the clips' split.
        predictions: for each model the file of its captions; the attention is the last one's.
        corpus: in canonical form.
        output: PNG.
        clips: how many clips.
        strip: frames shown of each.
        seed: of the choice of clips.
    """
    said = {
        model: {record["clip"]: record for record in read_records(path)}
        for model, path in predictions.items()
    }
    captions = read_table(corpus, "captions").groupby("clip")["text"].agg(list)
    with open_hdf5(frames_path, needs=("frames", "lengths", "clip")) as file:
        names = list(file["clip"].asstr()[:])
        known = [row for row, clip in enumerate(names) if all(clip in own for own in said.values())]
        random = np.random.default_rng(seed)
        chosen = sorted(random.choice(known, size=min(clips, len(known)), replace=False))
        rows = -(-len(chosen) // 2)
        with figure(output, width=14, height=2.9 * rows) as drawn:
            grid = drawn.add_gridspec(rows, min(2, len(chosen)))
            for place, row in enumerate(chosen):
                clip, length = names[row], int(file["lengths"][row])
                shown = np.unique(np.linspace(0, length - 1, strip).round().astype(int))
                pictures = np.concatenate(list(file["frames"][row][shown]), axis=1)
                records = {model: own[clip] for model, own in said.items()}
                references = captions.get(clip, ["(none)"])
                cell = grid[place // 2, place % 2]
                _draw_clip(drawn, cell, clip, pictures, references[0], records, shown, length)


def _draw_clip(drawn, cell, clip, pictures, reference, records, shown, length) -> None:
    model, record = list(records.items())[-1]
    words = record["caption"].split()
    parts = GridSpecFromSubplotSpec(2, 1, subplot_spec=cell, height_ratios=[1, 1.8], hspace=0.05)
    strip, heat = drawn.add_subplot(parts[0]), drawn.add_subplot(parts[1])
    strip.imshow(pictures, aspect="auto")  # so that each frame stands over its weights
    bare(strip)
    lines = [f"{clip}   reference: {reference}"]
    lines += [f"LSTM-{name}: {own['caption']}" for name, own in records.items()]
    strip.set_title("\n".join(textwrap.shorten(line, 95) for line in lines), fontsize=8)
    if not words:
        bare(heat)
        return
    attention = np.array(record["attention"])[:, shown]  # [words, frames shown]
    heat.imshow(attention, aspect="auto", cmap=HEAT, vmin=0)
    heat.set_yticks(range(len(words)), words, fontsize=7)
    heat.set_xticks([])
    heat.set_xlabel(f"attention of LSTM-{model} on these of {length} frames", fontsize=7)


def draw_corrections(
    frames_path: str | Path,
    records: str | Path,
    corpus: str | Path,
    output: str | Path,
    *,
    cases: int = 8,
    strip: int = 8,
    seed: int = 0,
) -> None:
    """The unseen halves of random cases, with their captions before and after (Figure 5).

    Args:
        frames_path: sampled frames (HDF5) of the test clips.
        records: JSON, from `correct_cases`.
        corpus: in canonical form.
        output: PNG.
        cases: how many, corrected or not as they come.
        strip: frames shown of each.
        seed: of their choice.
    """
    made = read_json(records)["cases"]
    references = read_table(corpus, "captions").groupby("clip")["text"].first()
    chosen = np.random.default_rng(seed).permutation(len(made))[:cases]
    rows = -(-len(chosen) // 2)
    with (
        open_hdf5(frames_path, needs=("frames", "lengths", "clip")) as file,
        figure(output, width=11, height=1.25 * max(1, rows)) as drawn,
    ):
        if not made:
            drawn.text(0.02, 0.5, "no test clip is a case: nothing was corrected")
        names = list(file["clip"].asstr()[:])
        for place, number in enumerate(sorted(chosen)):
            case = made[number]
            row = names.index(case["clip"])
            length = int(file["lengths"][row])
            shown = np.unique(np.linspace(length // 2, length - 1, strip).round().astype(int))
            axes = drawn.add_subplot(rows, 2, place + 1)
            axes.imshow(np.concatenate(list(file["frames"][row][shown]), axis=1))
            bare(axes)
            verdict = "names it" if case["corrected"] else "does not"
            dose = "no dose found" if case["dose"] is None else f"dose {case['dose']:.1f}"
            lines = [
                f"{case['clip']}   reference: {references.get(case['clip'], '(none)')}",
                f"before: {case['before']}",
                f"after “{case['topic']}” ({dose}; {verdict}): {case['after']}",
            ]
            title = "\n".join(textwrap.shorten(line, 88) for line in lines)
            axes.set_title(title, fontsize=8, color="black" if case["corrected"] else COLOURS[1])
