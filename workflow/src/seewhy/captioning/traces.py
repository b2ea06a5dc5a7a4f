"""What a captioner's neurons do over the test clips, as a small file that figures are drawn from.

Of every topic the neuron that eq. 9 picks for it most often on the train clips, with an f fitted
afterwards, and this neuron's activation in every frame; and the mean activation of all neurons.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import torch

from seewhy.captioning.encoding import encode, encode_means
from seewhy.captioning.interpretability import (
    Read,
    measurable,
    nothing_to_measure,
    open_splits,
)
from seewhy.captioning.interpreter import fit_interpreter
from seewhy.captioning.reading import prefer
from seewhy.corpora.canonical import SPLITS
from seewhy.files import create_hdf5, whole_file
from seewhy.scaled_defaults import least_clips_of_a_topic


def trace_neurons(
    captioner_path: str | Path,
    features: Mapping[str, str | Path],
    topics: str | Path,
    output: str | Path,
    *,
    seed: int,
    least_clips: int | str,
) -> None:
    """Write the activations of one captioner's neurons on the test clips.

    The file (HDF5), with c clips, n frames, v neurons and t topics:

    - ``clip`` [c] and ``lengths`` [c], in frames;
    - ``means`` [c, v]: the mean feature of each clip;
    - ``topic`` [t]: names; ``neuron`` [t]: each topic's neuron, -1 for a topic without one;
    - ``activations`` [c, n, t]: of each topic's neuron in each frame, 0 past a clip's length and
      for a topic without a neuron;
    - ``predicted`` [c, t]: f of the mean features;
    - ``measured`` [t]: whether enough clips have the topic, see `measurable`.

    Args:
        captioner_path: from `train_captioner`.
        features: for each of `SPLITS` its CNN features.
        topics: s of all clips (CSV, from `mine_topics`).
        output: that file.
        seed: of f; as in `read_neurons`, so that neurons have the same names.
        least_clips: as for `read_neurons`.

    Raises:
        InputError: an unreadable file, features of another backbone, or no topic to measure.
    """
    captioner, files, names, s = open_splits(captioner_path, features, topics)
    least_clips = least_clips_of_a_topic(least_clips, min(map(len, s.values())))
    read = {split: Read(encode_means(captioner, files[split]), s[split]) for split in SPLITS}
    try:
        measured = measurable(s["train"], s["test"], least_clips)
    except ValueError as error:
        raise nothing_to_measure(topics, error) from None
    f = fit_interpreter(*read["train"], *read["val"], hidden=captioner.shape.interpreter, seed=seed)
    neuron = prefer(f, *read["train"]).neuron_of()
    named = torch.from_numpy(neuron >= 0)
    activations = [
        V[:, :, neuron.clip(min=0)].cpu() * named for _, V, _ in encode(captioner, files["test"])
    ]
    test = files["test"]
    with whole_file(output) as temporary, create_hdf5(temporary) as file:
        file.create_dataset("clip", data=test.clips, dtype=h5py.string_dtype())
        file["lengths"] = test.lengths
        file["means"] = read["test"].means.numpy()
        file.create_dataset("topic", data=names, dtype=h5py.string_dtype())
        file["neuron"] = neuron
        file.create_dataset("activations", data=torch.cat(activations).numpy(), compression=4)
        file["predicted"] = f(read["test"].means).numpy()
        file["measured"] = np.isin(np.arange(len(names)), measured)
