"""Clips of a captioned data set whose captions a copy of it lacks."""

from __future__ import annotations

import pandas as pd


def without_silent(
    clips: pd.DataFrame, captions: pd.DataFrame, *, where: str
) -> tuple[pd.DataFrame, list[str]]:
    """The clips without those that nothing can be learnt from, and what is to be said of it.

    A clip of the train or val split without a caption is left out, where others of its split have
    one; a clip of the test split stays, to be captioned only. A split of which no clip has a
    caption stays as it is: captions of it were not given.

    Args:
        clips: of the canonical form.
        captions: likewise; an empty one is none.
        where: what to do about missing captions.
    """
    captioned = clips["clip"].isin(captions["clip"])
    left_out = pd.Series(False, index=clips.index)
    remarks = []
    for split in ("train", "val", "test"):
        own = clips["split"] == split
        silent = own & ~captioned
        if not silent.any():
            continue
        if silent.sum() == own.sum():
            remarks.append(f"no captions of the {split} split; {where}")
            continue
        names = clips.loc[silent, "clip"]
        fate = "they are captioned only" if split == "test" else "they are left out"
        tail = silent[own].to_numpy()
        cut = tail[-tail.sum() :].all() and len(names) > 1
        hint = "; they are the last ones: the caption file may be cut short" if cut else ""
        remarks.append(
            f"{len(names)} of {own.sum()} {split} clips have no caption ({names.iloc[0]} is the "
            f"first, {names.iloc[-1]} the last) and {fate}{hint}; {where}"
        )
        if split != "test":
            left_out |= silent
    return clips[~left_out].reset_index(drop=True), remarks
