"""What is decided about a bird before it is drawn: its species, values, label and fault.

All that is random about bird `index` of a split comes from generators seeded by (seed, split,
index, purpose), a purpose each for its values, body, surroundings, tones, captions and fault. So
any bird can be drawn again alone, and with one value changed everything else about it stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from seewhy.errors import InputError, require_whole
from seewhy.worlds.aviary.species import (
    FREE,
    FREE_VARIATION,
    SLOTS,
    SPECIES,
    VARIATION,
    siblings,
)

SPLITS = ("train", "val", "test")
LABEL_ERRORS, PERTURBED = 0.04, 0.08
"""Share of train and test birds with a wrong label; share of test birds whose image is spoilt."""
KINDS = ("blur", "noise", "colour cast", "low contrast", "jpeg")
"""What may spoil an image (`seewhy.worlds.aviary.faults`)."""

_PURPOSES = ("values", "body", "setting", "tones", "captions", "fault", "species")


@dataclass(frozen=True)
class Bird:
    """A bird before it is drawn.

    Attributes:
        species, label: numbers in `SPECIES` of what it is and of what it is labelled.
        values: slot to value.
        fault: '', `label` or `perturbation`.
        kind: of the fault: `sibling` or `random` (the wrong label's species), or one of `KINDS`.
        strength: of a perturbation, from 0 (mild) to 1; 0 without one.
    """

    seed: int
    split: str
    index: int
    species: int
    label: int
    values: dict[str, str]
    fault: str = ""
    kind: str = ""
    strength: float = 0.0

    @property
    def name(self) -> str:
        """Identifier of its image."""
        return f"{self.split}{self.index:05d}"

    def generator(self, purpose: str) -> np.random.Generator:
        """The generator of one purpose."""
        return _generator(self.seed, self.split, self.index, purpose)

    def without_fault(self) -> Bird:
        """The same bird, its image not spoilt and its label right."""
        return replace(self, label=self.species, fault="", kind="", strength=0.0)

    def with_value(self, slot: str, value: str) -> Bird:
        """The same bird, one slot changed.

        Raises:
            InputError: no such slot or value.
        """
        if slot not in SLOTS:
            raise InputError(f"slot {slot!r} is not one of {', '.join(SLOTS)}")
        if value not in SLOTS[slot].values:
            raise InputError(
                f"value {value!r} of slot {slot} is not one of {', '.join(SLOTS[slot].values)}"
            )
        return replace(self, values={**self.values, slot: value})


def plan_bird(seed: int, split: str, index: int) -> Bird:
    """Decide about one bird.

    The species come in shuffled rounds of all 32, so that each is equally frequent.

    Raises:
        InputError: an unknown split, a negative or fractional seed or index.
    """
    if split not in SPLITS:
        raise InputError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    require_whole(0, seed=seed, index=index)
    turn, place = divmod(int(index), len(SPECIES))
    order = _generator(seed, split, turn, "species").permutation(len(SPECIES))
    species = int(order[place])
    bird = Bird(int(seed), split, int(index), species, species, {})
    return replace(bird, values=_values(bird), **_fault(bird))


def _generator(seed: int, split: str, index: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng(
        [int(seed), SPLITS.index(split), int(index), _PURPOSES.index(purpose)]
    )


def _values(bird: Bird) -> dict[str, str]:
    rng = bird.generator("values")
    values = dict(SPECIES[bird.species].values)
    for slot, about in SLOTS.items():
        varies, which = rng.random(2)
        if varies < (FREE_VARIATION if slot in FREE else VARIATION):
            others = [value for value in about.values if value != values[slot]]
            values[slot] = others[int(which * len(others))]
    return values


def _fault(bird: Bird) -> dict[str, object]:
    rng = bird.generator("fault")
    chance, which, strength = rng.random(3)
    if chance < LABEL_ERRORS:
        near = siblings(bird.species)
        far = [k for k in range(len(SPECIES)) if k not in (*near, bird.species)]
        kind = "sibling" if which < 0.5 else "random"
        options = near if kind == "sibling" else far
        return {"label": int(rng.choice(options)), "fault": "label", "kind": kind}
    if bird.split != "train" and chance >= 1 - PERTURBED:
        kind = KINDS[int(which * len(KINDS))]
        return {"fault": "perturbation", "kind": kind, "strength": round(float(strength), 3)}
    return {}
