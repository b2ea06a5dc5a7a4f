"""Contrastive excitation backprop against one forward pass, its peers and caption-guided saliency.

The floor is the best plain forward pass that we know: evaluation mode, no autograd, frames laid out
channels last, and as many of them at once as is fastest. The maps' time has a forward pass in it.
Weights are random. On all networks the ways run in turn in one process.

``folded`` is a forward pass with what else the maps' pass has: batch norms folded into the
convolutions, ReLUs in place. What it saves is why cEB-R can cost less than the floor.

The peers on the CNN of an LRCN:

* zennit's ExcitationBackprop, from fc7 down to the layer, handed the very same evidence at fc7 in
  one signed pass (who does not know that this is possible needs two, one for the dual). What is
  below the layer runs without autograd. Its maps must be ours.
* BP-R, the plain gradient down to the pixels.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import Tensor, nn

from seewhy.backbones.torchvision_import import import_torchvision
from seewhy.bench.timing import in_turn, peak_megabytes
from seewhy.grounding.caption_guided import caption_guided_saliency
from seewhy.grounding.chain import Chain, channels_last
from seewhy.grounding.maps import evidence_of_action, ground_action, ground_word
from seewhy.grounding.networks import (
    VGG,
    VGG16,
    ActionNetwork,
    CaptionerSizes,
    MeanPoolCaptioner,
    VGGShape,
    vgg_action_network,
)


def bench_grounding(*, repeats: int = 5) -> dict[str, Any]:
    """Time everything at full size.

    Args:
        repeats: turns; those that take a minute have fewer.

    Returns:
        ``actions`` (VGG-16 LRCN and the small one), ``words`` (the same CNNs under a captioner),
        ``threads``.
    """
    torch.manual_seed(0)
    small = VGGShape()
    return {
        "what": "cEB-R against one forward pass, and cEB of a word against caption-guided saliency",
        "threads": torch.get_num_threads(),
        "actions": {
            "vgg16": bench_actions(
                vgg_action_network(VGG16, [str(k) for k in range(101)], hidden=256),
                clips=2, steps=8, layer="conv5", batches=(16,), repeats=max(1, repeats // 2),
            ),
            "small": bench_actions(
                vgg_action_network(small, [str(k) for k in range(20)], hidden=96, lags=(1, 2)),
                clips=16, steps=16, layer="conv3", batches=(256, 64, 16), repeats=3 * repeats,
            ),
        },
        "words": {
            "small": bench_words(
                VGG(small), size=small.size, clips=1, layer="conv3", repeats=max(1, repeats // 2)
            ),
            "vgg16": bench_words(VGG(VGG16), size=VGG16.size, clips=1, layer="conv5", repeats=1),
        },
    }  # fmt: skip


def bench_actions(
    network: ActionNetwork,
    *,
    clips: int,
    steps: int,
    layer: str,
    batches: tuple[int, ...],
    repeats: int,
) -> dict[str, Any]:
    """A forward pass, cEB-R and its peers, on the same frames.

    Args:
        network: an LRCN.
        clips: how many.
        steps: frames of each.
        layer: of the maps.
        batches: frames that pass the CNN at once, for the floor to choose from.
        repeats: turns.

    Returns:
        Of each way its seconds, its ratio to the fastest plain forward pass and how much memory it
        takes; of cEB-R also the ratio to ``network(frames)`` in one call (``ratio_to_one_call``)
        and that of the first call, in which positive weights are computed (``first_call_ratio``).

    Raises:
        RuntimeError: zennit's maps are not ours.
    """
    network.eval()
    frames = torch.randn(clips, steps, 3, network.size, network.size)
    ways = {
        f"forward, {batch} at once": lambda batch=batch: forward(network, frames, batch=batch)
        for batch in batches
    }
    plain = in_turn(ways, repeats=repeats) if len(ways) > 1 else {}
    best = min(ways, key=lambda way: plain[way]["seconds"] if plain else 0)

    def ours() -> Tensor:
        return ground_action(network, frames, 0, layer=layer)

    ways[best]()
    first = in_turn({"floor": ways[best], "first": ours}, repeats=1, warm_up=0)["first"]
    ways = {
        "forward": ways[best],
        "folded": lambda: folded(network, frames),
        "one call": torch.no_grad()(lambda: network(frames)),
        "cEB-R": ours,
        "BP-R": lambda: ground_action(network, frames, 0, method="BP"),
    }
    theirs = zennit_maps(network, frames, layer)
    if theirs is not None:
        ways["zennit"] = theirs
        difference = float((theirs() - ours()).abs().max() / ours().abs().max())
        if difference > 1e-3:
            raise RuntimeError(f"zennit's maps are not ours: they differ by {difference:.1e}")
    megabytes = {way: peak_megabytes(work) for way, work in ways.items()}  # and warm
    timed = in_turn(ways, repeats=repeats, warm_up=0)
    timed["cEB-R"]["ratio_to_one_call"] = timed["cEB-R"]["seconds"] / timed["one call"]["seconds"]
    return {
        "clips": clips,
        "frames_a_clip": steps,
        "layer": layer,
        "forward_is": best,
        "first_call_ratio": first["ratio"],
        "repeats": repeats,
    } | {way: timed[way] | {"megabytes": megabytes[way]} for way in ways}


def forward(network: ActionNetwork, frames: Tensor, *, batch: int) -> Tensor:
    """Logits, with no more done than that, `batch` frames in the CNN at once."""
    with torch.no_grad():
        parts = frames.flatten(0, 1).split(batch)
        features = torch.cat([network.cnn(channels_last(part)) for part in parts])
        return network.classify(features.unflatten(0, frames.shape[:2]))


def folded(network: ActionNetwork, frames: Tensor, *, batch: int = 64) -> Tensor:
    """The same logits through `Chain`, which keeps nothing."""
    with torch.no_grad():
        chain = Chain(network.cnn)
        features = torch.cat([chain(part)[0] for part in frames.flatten(0, 1).split(batch)])
        return network.classify(features.unflatten(0, frames.shape[:2]))


def zennit_maps(network: ActionNetwork, frames: Tensor, layer: str):
    """A function that makes cEB-R's maps with zennit; None where it is not installed."""
    if importlib.util.find_spec("zennit") is None:
        return None
    import_torchvision()  # zennit imports it
    # Imported here: it is a tool of developers, which users need not have.
    from zennit.composites import ExcitationBackprop

    chain = Chain(network.cnn)
    place = chain.place(layer)
    upper: list[nn.Module] = []
    for step in chain.steps[place + 1 :]:
        upper += [step.layer, nn.ReLU()] if step.rectified else [step.layer]
    network_above = nn.Sequential(*upper)
    composite = ExcitationBackprop(zero_params=["bias"], stabilizer=1e-20)
    target = torch.zeros(len(frames), dtype=torch.long)

    def maps() -> Tensor:
        with torch.no_grad():
            a = chain.part(frames.flatten(0, 1), stop=place + 1)
        a.requires_grad_()
        with composite.context(network_above) as changed:
            features = changed(a)
            evidence = evidence_of_action(
                network, features.detach().unflatten(0, frames.shape[:2]), target
            )
            (p,) = torch.autograd.grad(features, a, evidence.flatten(0, 1))
        return p.sum(dim=1).unflatten(0, frames.shape[:2])

    return maps


def bench_words(
    cnn: VGG, *, size: int, clips: int, layer: str, repeats: int, steps: int = 26, length: int = 8
) -> dict[str, Any]:
    """Maps of one word: cEB and caption-guided saliency on the same clips.

    Args:
        cnn: of the captioner.
        size: of its frames.
        clips: how many.
        layer: of the maps.
        repeats: turns.
        steps: frames of each clip (the paper's 26).
        length: words of each caption; the one in the middle is asked for.

    Returns:
        Seconds of both, and how many times faster cEB is.
    """
    sizes = CaptionerSizes(words=1000, embedding=64, hidden=128)
    captioner = MeanPoolCaptioner(cnn, cnn.outputs, sizes, size=size).eval()
    frames = torch.randn(clips, steps, 3, size, size)
    words = torch.randint(1, sizes.words, (clips, length))
    position = torch.full((clips,), length // 2)
    what = (captioner, frames, words, position)
    ways = {
        "cEB": lambda: ground_word(*what, layer=layer),
        "caption-guided": lambda: caption_guided_saliency(*what, layer=layer),
    }
    ground_word(*what, layer=layer)  # positive weights
    timed = in_turn(ways, repeats=repeats, warm_up=0)
    cells = ground_word(*what, layer=layer).numel()
    return {
        "clips": clips,
        "frames_a_clip": steps,
        "layer": layer,
        "cells": cells,
        "repeats": repeats,
        "times_faster": timed["caption-guided"]["ratio"],
        "cEB": timed["cEB"],
        "caption-guided": timed["caption-guided"],
    }
