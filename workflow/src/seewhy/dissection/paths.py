r"""The path of concepts that led a network to a decision: which units, fed by which units before.

    path = explain_decision(network, image, names={"block4": {290: ("typing", "action", 0.34)}})
    path.by_weight.units[0].label, path.by_contribution.before[0].label

The network ends with two blocks of residual or plain convolutions, global average pooling and a
linear layer (torchvision's ResNets: ``blocks=("layer3", "layer4"), linear="fc"``). Two routes lead
from a class c down to the block before the last:

* by weight, the paper's: the units v of the last block that do the most for the class if they are 1
  everywhere, w_cv; of the block before, the units u that do the most for these, m_vu
  (`seewhy.dissection.relations`). The image matters for the class alone.
* by contribution, what this image made of it: with a_v the spatial mean of unit v's map,

  .. math:: y_c = b_c + \sum_v w_{cv} a_v,

  so the units are ordered by w_cv a_v, parts of the logit that sum to it exactly; in the block
  before, by m_vu a_u, which is a first approximation since blocks are not linear. Hold it against
  `seewhy.dissection.ablation`.

With another class to hold the decision against, w_c - w_c' takes the place of w_c.

Beside them stands class activation mapping: the same sum before the pooling,
:math:`M_c = \sum_v w_{cv} A_v`, whose mean is the logit without its bias.

References:
    Examining Interpretable Feature Relationships in Deep Networks for Action recognition, sec. 3.3.
    B. Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016 (CAM).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from seewhy.dissection.hooks import (
    Seen,
    class_index,
    class_names,
    linear_layer,
    named_layer,
    one_image,
    seen,
)
from seewhy.dissection.relations import (
    ZERO,
    class_weight,
    require_follows,
    strongest,
    unit_to_unit,
)
from seewhy.errors import InputError
from seewhy.modes import explaining
from seewhy.running import apart, readable_input, tolerance

Concept = tuple[str, str, float]  # its name, its category, the unit's IoU with it
Names = Mapping[str, Mapping[int, Concept]]


@dataclass(frozen=True)
class PathUnit:
    """A unit on the path.

    Attributes:
        layer: its block.
        unit: its place among the block's maps, from 0.
        concept: what it detects: name, category, IoU; None: nothing that has a name.
        effect: on what comes after it if it is 1 everywhere: w_cv on the class, m_vu on a unit (or
            the mean m_vu over several).
        activation: a, the spatial mean of its map for this image.
        contribution: effect times activation.
        before_by_effect: of the block before, the units with the highest effect on this one.
        before_by_contribution: those with the highest effect times activation.
    """

    layer: str
    unit: int
    concept: Concept | None
    effect: float
    activation: float
    contribution: float
    before_by_effect: tuple[PathUnit, ...] = ()
    before_by_contribution: tuple[PathUnit, ...] = ()

    @property
    def number(self) -> int:
        """The unit's number in what people read, tables and figures: from 1, as in tally.csv."""
        return self.unit + 1

    @property
    def label(self) -> str:
        """The concept's name; without one, the unit's number."""
        return self.concept[0] if self.concept else f"unit {self.number}"


@dataclass(frozen=True)
class Route:
    """One way to choose the units that lead to the class.

    Attributes:
        units: of the last block, the strongest first.
        before: of the block before, those that do the most for all of `units` together: the mean of
            m_vu over them, times a_u on the route by contribution.
    """

    units: tuple[PathUnit, ...]
    before: tuple[PathUnit, ...]


@dataclass(frozen=True)
class ConceptPath:
    """How a network came to a class for an image.

    All tensors are of float64, on the CPU.

    Attributes:
        class_: the class that was asked for.
        class_name: its name, or ``class 3``.
        against: the class it is held against; None: none.
        against_name: its name.
        predicted: the class with the highest logit.
        predicted_name: its name.
        probability: of `class_`, by the softmax.
        logits: ``[classes]``.
        blocks: names of the block before the last, and of the last.
        biases: how the effects between the blocks were taken.
        weight: w_c (minus w_against) ``[units]`` of the last block.
        bias: b_c (minus b_against).
        activations: a of the last block ``[units]``.
        contributions: weight times activations; with the bias they sum to the logit (to the
            difference of two).
        activations_before: a of the block before.
        effects: m ``[units of the last block, units of the block before]``.
        by_weight: the paper's route.
        by_contribution: this image's.
        cam: M_c at the size of the last block's maps ``[h', w']``; its mean and the bias are the
            logit.
        cam_over_image: the same, bilinear, at the size of the image ``[h, w]``.
    """

    class_: int
    class_name: str
    against: int | None
    against_name: str | None
    predicted: int
    predicted_name: str
    probability: float
    logits: Tensor
    blocks: tuple[str, str]
    biases: str
    weight: Tensor
    bias: float
    activations: Tensor
    contributions: Tensor
    activations_before: Tensor
    effects: Tensor
    by_weight: Route
    by_contribution: Route
    cam: Tensor
    cam_over_image: Tensor

    def rows(self) -> list[dict[str, Any]]:
        """The path as rows of a table, one for each unit and what it leads to.

        Columns: route (weight, contribution), layer, leads_to (the class, the unit's number, or
        ``all`` for the units above together), rank, unit (its number, from 1), concept, category,
        iou, effect, activation, contribution.
        """
        rows = []
        for name, route in (("weight", self.by_weight), ("contribution", self.by_contribution)):
            lists = [(self.class_name, route.units), ("all", route.before)]
            for above in route.units:
                before = (
                    above.before_by_effect if name == "weight" else above.before_by_contribution
                )
                lists.append((str(above.number), before))
            for leads_to, units in lists:
                for rank, one in enumerate(units, start=1):
                    concept, category, iou = one.concept or (None, None, None)
                    rows.append(
                        {
                            "route": name, "layer": one.layer, "leads_to": leads_to, "rank": rank,
                            "unit": one.number, "concept": concept, "category": category,
                            "iou": iou, "effect": one.effect, "activation": one.activation,
                            "contribution": one.contribution,
                        }
                    )  # fmt: skip
        return rows


def explain_decision(
    network: nn.Module,
    image: Tensor,
    *,
    blocks: tuple[str, str] = ("block3", "block4"),
    linear: str = "fc",
    class_: int | str | None = None,
    against: int | str | None = None,
    names: Names | None = None,
    classes: Sequence[str] | None = None,
    top: int = 5,
    biases: str = ZERO,
    effects: Tensor | None = None,
    batch: int = 64,
) -> ConceptPath:
    """The concepts that led to a decision, by weight and by contribution (section 3.3).

    Args:
        network: answers ``[1, classes]``, logits; it is left as it was found.
        image: ``[c, h, w]`` or ``[1, c, h, w]``, as the network reads it.
        blocks: names of the block before the last and of the last, which reads what that one gives.
        linear: name of the linear layer, which reads the last block's spatial means.
        class_: number or name; None: the predicted one.
        against: a class to hold it against; None: none.
        names: of each of the blocks, the concepts of its units.
        classes: names; None: the network's attribute ``classes``, if it has one.
        top: so many units of a block.
        biases: ``zero`` or ``kept``, of the effects between the blocks (`unit_to_unit`).
        effects: m, if it is known: it is the same for all images of one size (`block_effects`).
        batch: units at once, where m is computed.

    Raises:
        InputError: no such layer or class, a layer of another kind, blocks that do not follow each
            other, something but global average pooling between the last block and the linear layer
            or something behind it, effects of another size, or as `unit_to_unit`.
    """
    image = one_image(image)
    head = linear_layer(network, linear)
    classes = class_names(network, classes)
    with explaining(network):
        image = readable_input(network, image, "image")
        answer, (before, last, read) = seen(network, image, [*blocks, linear])
        _require_chain(network, before, last, read, answer, blocks, linear)
    logits = read.output[0].double().cpu()
    predicted = int(logits.argmax())
    asked = class_index(predicted if class_ is None else class_, len(logits), classes)
    other = None if against is None else class_index(against, len(logits), classes)
    weight = class_weight(head, asked, other).double().cpu()
    bias = 0.0
    if head.bias is not None:
        b = head.bias.detach()
        bias = float(b[asked]) - (0 if other is None else float(b[other]))

    maps = last.output[0].double().cpu()  # A, [units, h', w']
    a_before, a = before.output[0].double().cpu().mean(dim=(1, 2)), maps.mean(dim=(1, 2))
    if effects is None:
        effects = unit_to_unit(
            named_layer(network, blocks[1]), len(a_before), tuple(before.output.shape[2:]),
            biases=biases, batch=batch,
        )  # fmt: skip
    if effects.shape != (len(a), len(a_before)):
        raise InputError(
            f"effects {list(effects.shape)} are not [{len(a)}, {len(a_before)}], the units of "
            f"{blocks[1]} by those of {blocks[0]}; take block_effects of this network"
        )
    teller = _Teller(blocks, names or {}, weight, a, effects.detach().double().cpu(), a_before, top)
    cam = torch.einsum("v,vij->ij", weight, maps)
    return ConceptPath(
        class_=asked,
        class_name=_class_name(asked, classes),
        against=other,
        against_name=None if other is None else _class_name(other, classes),
        predicted=predicted,
        predicted_name=_class_name(predicted, classes),
        probability=float(logits.softmax(dim=0)[asked]),
        logits=logits,
        blocks=tuple(blocks),
        biases=biases,
        weight=weight,
        bias=bias,
        activations=a,
        contributions=weight * a,
        activations_before=a_before,
        effects=teller.effects,
        by_weight=teller.route(weight, torch.ones_like(a_before)),
        by_contribution=teller.route(weight * a, a_before),
        cam=cam,
        cam_over_image=functional.interpolate(
            cam[None, None], size=image.shape[2:], mode="bilinear", align_corners=False
        )[0, 0],
    )


class _Teller:
    """Orders units along a route and gives them their names."""

    def __init__(
        self,
        blocks: tuple[str, str],
        names: Names,
        weight: Tensor,
        a: Tensor,
        effects: Tensor,
        a_before: Tensor,
        top: int,
    ) -> None:
        unknown = [layer for layer in names if layer not in blocks]
        if unknown:
            raise InputError(
                f"names: layer {unknown[0]!r} is not one of the blocks {', '.join(blocks)}; give "
                "the names of their units"
            )
        self.blocks, self.names, self.top = blocks, names, top
        self.weight, self.a, self.effects, self.a_before = weight, a, effects, a_before

    def route(self, order: Tensor, factor: Tensor) -> Route:
        """By `order` ``[units]`` in the last block, by effects times `factor` in the one before."""
        chosen = strongest(order, self.top)
        together = self.effects[chosen].mean(dim=0)
        return Route(
            units=tuple(self._last(int(v)) for v in chosen),
            before=self._before(together, together * factor),
        )

    def _last(self, v: int) -> PathUnit:
        m = self.effects[v]
        return self._unit(
            1, v, float(self.weight[v]), float(self.a[v]),
            before_by_effect=self._before(m, m),
            before_by_contribution=self._before(m, m * self.a_before),
        )  # fmt: skip

    def _before(self, effect: Tensor, order: Tensor) -> tuple[PathUnit, ...]:
        return tuple(
            self._unit(0, int(u), float(effect[u]), float(self.a_before[u]))
            for u in strongest(order, self.top)
        )

    def _unit(
        self, block: int, unit: int, effect: float, activation: float, **before: Any
    ) -> PathUnit:
        layer = self.blocks[block]
        concept = self.names.get(layer, {}).get(unit)
        return PathUnit(layer, unit, concept, effect, activation, effect * activation, **before)


def _class_name(class_: int, classes: Sequence[str]) -> str:
    return classes[class_] if classes else f"class {class_}"


def _require_chain(
    network: nn.Module,
    before: Seen,
    last: Seen,
    read: Seen,
    answer: Tensor,
    blocks: tuple[str, str],
    linear: str,
) -> None:
    """Last block, its spatial means, the linear layer, and nothing behind it."""
    require_follows(network, before, last, blocks)
    means = last.output.mean(dim=(2, 3))
    if not apart(read.given, means) <= tolerance(means.dtype):
        raise InputError(
            f"layer {linear!r} reads {list(read.given.shape)}, which are not the spatial means of "
            f"the maps of {blocks[1]!r}; a path needs global average pooling between the two"
        )
    head = linear_layer(network, linear)
    if not apart(functional.linear(read.given, head.weight, head.bias), read.output) <= tolerance(
        read.output.dtype
    ):
        raise InputError(
            f"layer {linear!r} gives something else than its weights times what it reads, plus its "
            f"biases ({type(head).__name__} has a forward or hooks of its own); a path needs a "
            "plain linear layer"
        )
    if answer.shape != read.output.shape or not torch.equal(answer, read.output):
        raise InputError(
            f"the network's answer is not what layer {linear!r} gives; name the last linear layer, "
            "and take off what follows it, such as a softmax"
        )
