"""Which topics each clip has: the vectors s of the captioning paper (section 2.3).

    s = [t_1, …, t_Nt] in {0, 1}^Nt,   t_i = 1 where topic i occurs in the clip's descriptions,

read from the topic of each token: of the train clips as the sampler left them, of all others by
inference with the topics fixed. "Occurs" has two readings:

- `any`: at least one token, the paper's wording. A single token's topic is mostly chance.
- `share`: at least 5% of the clip's tokens.

The variational engine gives each token to several topics in part; both rules then take the expected
number of tokens (`any`: at least one).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seewhy.corpora.canonical import read_csv
from seewhy.errors import InputError
from seewhy.files import whole_file

RULES = ("share", "any")


def topic_vectors(
    token_counts: np.ndarray, *, rule: str = "share", min_share: float = 0.05
) -> np.ndarray:
    """The topic vectors s of clips (captioning paper, before eq. 8).

    Args:
        token_counts: tokens of each clip under each topic, `[clips, topics]`.
        rule: `share` or `any`, see the module's head.
        min_share: of a clip's tokens, for `share`.

    Returns:
        0/1, uint8 `[clips, topics]`; a clip without tokens has no topic.

    Raises:
        InputError: unknown rule, or a share outside 0 … 1.
    """
    if rule not in RULES:
        raise InputError(f"topic rule {rule!r}: unknown; it is one of {', '.join(RULES)}")
    if not 0 < min_share <= 1:
        raise InputError(f"min_share ({min_share}): must be above 0 and at most 1")
    counts = np.asarray(token_counts)
    if rule == "any":
        return (counts >= 1).astype(np.uint8)
    # A quotient of whole numbers rounds as the setting does: 7 of 140 tokens are 0.05.
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1e-300)
    return (shares >= min_share).astype(np.uint8)


def write_topic_vectors(
    path: str | Path,
    clips: Mapping[str, Sequence[str]],
    vectors: Mapping[str, np.ndarray],
    names: Sequence[str],
) -> None:
    """Write topic vectors as CSV.

    Args:
        path: the file.
        clips: of each split the clips.
        vectors: of each split 0/1 `[clips, topics]`.
        names: of the topics.
    """
    parts = []
    for split, s in vectors.items():
        part = pd.DataFrame(s, columns=list(names))
        part.insert(0, "clip", list(clips[split]))
        part.insert(1, "split", split)
        parts.append(part)
    with whole_file(path) as temporary:
        pd.concat(parts).to_csv(temporary, index=False)


def vectors_of(vectors: pd.DataFrame, clips: Sequence[str], *, split: str) -> np.ndarray:
    """The topic vectors of `clips`, in their order: uint8 `[clips, topics]`.

    Args:
        vectors: from `read_topic_vectors`.
        clips: identifiers.
        split: what they are called in the error.

    Raises:
        InputError: clips without a vector.
    """
    missing = [clip for clip in clips if clip not in vectors.index]
    if missing:
        raise InputError(
            f"topic vectors: none for {len(missing)} {split} clips, {missing[0]} among them; "
            "run the rule mine_topics again"
        )
    return vectors.loc[list(clips)].to_numpy()


def read_topic_vectors(path: str | Path, *, split: str | None = None) -> pd.DataFrame:
    """Read topic vectors: 0/1 uint8, a row a clip (the index), a column a topic.

    Args:
        path: what `write_topic_vectors` wrote.
        split: only the clips of this split.

    Raises:
        InputError: not such a file, or it holds no clip of the split.
    """
    table = read_csv(path)
    if list(table.columns[:2]) != ["clip", "split"] or len(table.columns) < 3:
        raise InputError(
            f"{path}: not topic vectors (columns clip, split, topics); mine them again"
        )
    if split is not None:
        table = table[table["split"] == split]
    if table.empty or table["clip"].duplicated().any():
        raise InputError(
            f"{path}: has no clips{f' of the split {split}' if split else ''}, or twice"
        )
    vectors = table.drop(columns="split").set_index("clip")
    if not vectors.isin(["0", "1"]).all(axis=None):
        raise InputError(f"{path}: a topic vector has a value that is not 0 or 1; mine them again")
    return vectors.astype(np.uint8)
