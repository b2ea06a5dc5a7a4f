"""Every way to make maps that the tables compare, by name.

A name is ``<method>[-R][.<variant>…]``; ``-R`` means through the LSTM:

=================  ===============================================================================
``EB cEB BP``      of the papers, and ``Grad-CAM``
``uniform``        EB from all classes alike: what is salient, whatever the class
``activation``     the layer's activations, summed over channels: no pass back at all
``centre``         the middle of the frame
``random``         noise
``occlusion``      how far the logarithm of the class's probability falls when a patch is grey
``.paper`` …       the rule of the LSTM (`seewhy.grounding.recurrent`); none: ``released``
``.all``           asked at every step, not at the last alone
``.scrambled-…``   with the weights of the ``classifier``, the ``lstm`` or the ``cnn`` shuffled:
                   what stays the same did not come from them (Adebayo et al. 2018)
``.shuffled``      with the frames in random order; the maps are put back in order
=================  ===============================================================================
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from seewhy.errors import InputError
from seewhy.gradcam.recurrent import recurrent_grad_cam
from seewhy.grounding.chain import Chain
from seewhy.grounding.maps import (
    asked_layer,
    down,
    evidence_of_action,
    ground_action,
    look,
    readable_frames,
    require_excitable,
    require_forward,
    require_network,
    targets,
)
from seewhy.grounding.networks import ActionNetwork
from seewhy.grounding.recurrent import RULES
from seewhy.modes import explaining
from seewhy.running import run

BY_CLASS = ("EB", "cEB", "BP", "Grad-CAM", "occlusion")
CLASS_FREE = ("uniform", "activation", "centre", "random")
PARTS = ("classifier", "lstm", "cnn")
PATCH, STRIDE = 16, 16  # of occlusion, pixels of a 64-pixel frame


@dataclass(frozen=True)
class Method:
    """A parsed name: what is done, with which of the two networks, and how."""

    name: str
    how: str
    recurrent: bool
    rule: str = "released"
    seed: str = "last"
    scrambled: str = ""
    shuffled: bool = False

    @classmethod
    def parse(cls, name: str) -> Method:
        """Take a name apart.

        Raises:
            InputError: it is not made of known parts.
        """
        head, *variants = name.split(".")
        recurrent = head.endswith("-R")
        how = head.removesuffix("-R")
        found: dict[str, object] = {}
        excites = recurrent and how in ("EB", "cEB", "uniform")
        for variant in variants:
            if variant in RULES and excites:
                found["rule"] = variant
            elif variant == "all" and (excites or head == "BP-R"):
                found["seed"] = "all"
            elif variant == "shuffled":
                found["shuffled"] = True
            elif variant.removeprefix("scrambled-") in PARTS and variant.startswith("scrambled-"):
                found["scrambled"] = variant.removeprefix("scrambled-")
            else:
                raise InputError(
                    f"method {name!r}: {variant!r} is nothing that {head} knows; there are "
                    f"shuffled, {', '.join('scrambled-' + part for part in PARTS)}, and for "
                    f"excitation backprop through an LSTM {', '.join(RULES)}, all"
                )
        known = (*BY_CLASS, *CLASS_FREE)
        if how not in known or (recurrent and how in ("activation", "centre", "random")):
            raise InputError(
                f"method {name!r} is not one of {', '.join(known)}, with -R for through the LSTM"
            )
        if found.get("scrambled") == "lstm" and not recurrent:
            raise InputError(f"method {name!r}: without -R there is no LSTM to scramble")
        return cls(name, how, recurrent, **found)  # type: ignore[arg-type]

    def network(self, cnn: ActionNetwork, lrcn: ActionNetwork, *, seed: int = 0) -> ActionNetwork:
        """The network that is asked: the CNN or the LRCN, scrambled where that is wanted."""
        network = lrcn if self.recurrent else cnn
        return scramble(network, self.scrambled, seed=seed) if self.scrambled else network

    def maps(
        self, network: ActionNetwork, frames: Tensor, target: Tensor, *, layer: str | None = None
    ) -> Tensor:
        """Maps of clips.

        Args:
            network: of `network`.
            frames: ``[clips, T, 3, h, w]``.
            target: classes ``[clips]``.
            layer: of the CNN; None: its last convolution.

        Returns:
            ``[clips, T, h', w']``.
        """
        if not self.shuffled:
            return self._maps(network, frames, target, layer)
        generator = torch.Generator().manual_seed(0)
        order = torch.randperm(frames.shape[1], generator=generator)
        maps = self._maps(network, frames[:, order], target, layer)
        return maps[:, order.argsort()]

    def _maps(
        self, network: ActionNetwork, frames: Tensor, target: Tensor, layer: str | None
    ) -> Tensor:
        if self.how in ("EB", "cEB", "BP"):
            return ground_action(
                network, frames, target, method=self.how, layer=layer, rule=self.rule,
                seed=self.seed,
            )  # fmt: skip
        if self.how == "Grad-CAM":
            return recurrent_grad_cam(network, frames, target, layer=layer)
        network = require_network(network, ActionNetwork)
        with explaining(network):
            frames = readable_frames(network, frames)
            target = targets(network, frames, target)
            return _OTHERS[self.how](self, network, frames, target, layer)


def scramble(network: ActionNetwork, part: str, *, seed: int) -> ActionNetwork:
    """A copy of a network with the numbers of each weight of one part in random order."""
    network = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in getattr(network, part).parameters():
            order = torch.randperm(p.numel(), generator=generator)
            p.copy_(p.flatten()[order].view_as(p))
    return network


def _uniform(
    method: Method, network: ActionNetwork, frames: Tensor, target: Tensor, layer: str | None
) -> Tensor:
    with explaining(network):
        require_excitable(network)
        chain = Chain(network.cnn)
        keep = asked_layer(chain, layer)
        chain.require_rectified(keep)
        seen = look(chain, frames, keep, batch=64)
        require_forward(network, frames, seen.features, batch=64)
        classes = network.classifier.out_features
        evidence = torch.stack(
            [
                evidence_of_action(
                    network, seen.features, torch.full_like(target, k), contrastive=False,
                    rule=method.rule, seed=method.seed,
                )
                for k in range(classes)
            ]
        ).mean(dim=0)  # fmt: skip
        return down(chain, seen, evidence)


def _activation(
    method: Method, network: ActionNetwork, frames: Tensor, target: Tensor, layer: str | None
) -> Tensor:
    with explaining(network):
        chain = Chain(network.cnn)
        seen = look(chain, frames, asked_layer(chain, layer), batch=64)
        return seen.at_layer.sum(dim=2)


def _centre(
    method: Method, network: ActionNetwork, frames: Tensor, target: Tensor, layer: str | None
) -> Tensor:
    height, width = frames.shape[-2:]
    y, x = (torch.linspace(-1, 1, n) for n in (height, width))
    away = y[:, None] ** 2 + x[None] ** 2
    return (-2 * away).exp().expand(*frames.shape[:2], height, width)


def _random(
    method: Method, network: ActionNetwork, frames: Tensor, target: Tensor, layer: str | None
) -> Tensor:
    maps = []
    for clip in frames:  # by what each shows, so that a clip's map is its own
        seed = int((clip * 100).round().long().abs().sum())
        generator = torch.Generator().manual_seed(seed)
        maps.append(torch.rand(len(clip), 16, 16, generator=generator))
    return torch.stack(maps)


def _occlusion(
    method: Method, network: ActionNetwork, frames: Tensor, target: Tensor, layer: str | None
) -> Tensor:
    side = frames.shape[-1]
    patch, stride = max(1, PATCH * side // 64), max(1, STRIDE * side // 64)
    places = [
        (top, left)
        for top in range(0, side - patch + 1, stride)
        for left in range(0, side - patch + 1, stride)
    ]
    across = (side - patch) // stride + 1
    maps = frames.new_zeros(*frames.shape[:2], len(places))
    with explaining(network):
        features = run(network.encode, frames, what="the CNN")
        require_forward(network, frames, features, batch=64)
        before = _log_probability(network, features, target)
        for k, (top, left) in enumerate(places):
            hidden = frames.clone()
            hidden[..., top : top + patch, left : left + patch] = 0
            changed = network.encode(hidden)
            if network.lstm is None:
                maps[..., k] = before - _log_probability(network, changed, target)
                continue
            steps = torch.arange(frames.shape[1])
            mixed = features.repeat(len(steps), 1, 1, 1)  # [t, clips, T, D]: hidden at t alone
            mixed[steps, :, steps] = changed.transpose(0, 1)
            after = _log_probability(network, mixed.flatten(0, 1), target.repeat(len(steps)))
            maps[..., k] = (before - after.unflatten(0, mixed.shape[:2])).T
    return maps.unflatten(2, (-1, across))


def _log_probability(network: ActionNetwork, features: Tensor, target: Tensor) -> Tensor:
    """Of the class: ``[clips]`` of an LRCN, at the last step; ``[clips, T]`` of a CNN."""
    log_p = network.classify(features).log_softmax(dim=2)
    log_p = log_p.gather(2, target[:, None, None].expand(-1, log_p.shape[1], 1))[..., 0]
    return log_p if network.lstm is None else log_p[:, -1]


_OTHERS: dict[str, Callable[..., Tensor]] = {
    "uniform": _uniform,
    "activation": _activation,
    "centre": _centre,
    "random": _random,
    "occlusion": _occlusion,
}
