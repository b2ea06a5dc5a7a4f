"""Settings that are `auto`: what they come to on a corpus of a given size.

On the corpora that they were chosen for they are constants; on a person's few dozen clips the same
constants would leave no word for a topic, and no topic to measure.

Light on purpose: the workflow reads it at every start.
"""

from __future__ import annotations

AUTO = "auto"


def least_clips_of_a_word(setting: int | str, clips: int) -> int:
    """`topics.min_df`: clips whose descriptions must hold a word of the topics.

    Args:
        setting: the number, or `auto`: 10, and below 200 clips a twentieth of them, at least 2.
        clips: train clips with descriptions.
    """
    return min(10, max(2, clips // 20)) if setting == AUTO else int(setting)


def least_clips_of_a_topic(setting: int | str, clips: int) -> int:
    """`neurons.least_clips`: clips of a split that must have a topic, and lack it.

    Args:
        setting: the number, or `auto`: 8, and below 80 clips a tenth of them, at least 1.
        clips: described clips of the smallest of the splits that are compared.
    """
    return min(8, max(1, clips // 10)) if setting == AUTO else int(setting)
