"""What went wrong with a training without any error: said in the log, the table and the report.

A network that learnt nothing makes results that look like any other's. Two signs are looked for: a
loss that never fell, and answers that are the same whatever is shown. Both are one line, `remarks`,
which trainers write into their log and beside what they have measured, and tables into a column
`remark`; where nothing is odd there is neither.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

FALL = 0.05  # share of the first loss by which a loss must fall; less is the chance of batches
ALIKE = 0.5  # share of the clips that may have the same answer
FEW = 8  # clips; of fewer, all must have it


def never_fell(losses: Sequence[float], *, of: str = "the loss") -> str | None:
    """A line if a loss did not fall.

    Compared are the first value and the mean of the last quarter of them; a single value says
    nothing.

    Args:
        losses: in order, each the mean over some steps.
        of: what the loss is called.
    """
    if len(losses) < 2:
        return None
    late = losses[-max(1, len(losses) // 4) :]
    settled = sum(late) / len(late)
    if settled < losses[0] - FALL * abs(losses[0]):
        return None
    return (
        f"{of} never fell ({losses[0]:.3g} at first, {settled:.3g} at the end): nothing was "
        "learnt; use more data, train longer or with another rate"
    )


def never_better(losses: Sequence[float], *, of: str = "the validation loss") -> str | None:
    """A line if a loss on held-out data was never lower than after the first epoch."""
    if len(losses) < 2 or min(losses[1:]) < losses[0]:
        return None
    return (
        f"{of} never fell below that of the first epoch ({losses[0]:.3g}): what was learnt later "
        "does not hold for other clips; use more data, or a lower rate"
    )


def all_alike(answers: Iterable[str], *, references: Iterable[str] = ()) -> str | None:
    """A line if most clips, or all of a few, have the same answer, oftener than the references.

    Args:
        answers: one a clip: its caption, or its class.
        references: what should be said of the same clips, one each; none: not compared.
    """
    answers, references = list(answers), list(references)
    if len(answers) < 2:
        return None
    commonest, count = Counter(answers).most_common(1)[0]
    if count / len(answers) < (ALIKE if len(answers) >= FEW else 1):
        return None
    if references:
        usual = Counter(references).most_common(1)[0][1] / len(references)
        if usual >= count / len(answers):
            return None
    return (
        f"says “{commonest}” of {count} of {len(answers)} clips: it hardly depends on the clip; "
        "use more data, or train longer"
    )


def history_remarks(path: str | Path) -> list[str]:
    """What the history of a captioner tells, from `train_captioner`."""
    table = pd.read_csv(path)
    found = (
        never_fell(table["task"].tolist(), of="the training loss"),
        never_better(table["validation"].tolist()),
    )
    return [remark for remark in found if remark]


def metrics_remarks(path: str | Path) -> list[str]:
    """`remarks` of a JSON file of metrics, where a trainer has written any."""
    return json.loads(Path(path).read_text("utf-8")).get("remarks", [])


def as_metrics(remarks: Sequence[str]) -> dict[str, list[str]]:
    """The remarks as a part of a file of metrics: nothing where there are none."""
    return {"remarks": list(remarks)} if remarks else {}


def sound(log: logging.Logger, where: str | Path, remarks: Iterable[str]) -> None:
    """Write remarks into a log so that they are not overlooked."""
    for remark in remarks:
        log.warning("%s\nWARNING: %s: %s\n%s", "!" * 100, where, remark, "!" * 100)


def in_one(remarks: Mapping[str, Sequence[str]]) -> str | None:
    """Remarks of several things (the seeds of a model) as one cell of a table.

    The same remark of several is written once.
    """
    by_remark: dict[str, list[str]] = {}
    for name, own in remarks.items():
        for remark in own:
            by_remark.setdefault(remark, []).append(name)
    return "; ".join(f"{', '.join(names)}: {remark}" for remark, names in by_remark.items()) or None
