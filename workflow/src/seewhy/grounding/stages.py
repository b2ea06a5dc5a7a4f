"""Training in stages, each by AdamW with a learning rate that rises and falls once.

All that is random in a round of steps hangs on the seed, the stage and the round's first step, and
after each round the state is on disk: a killed run goes on, and ends where an unbroken one ends.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.progress import progress
from seewhy.resume import Unfinished
from seewhy.table_numbers import number_format
from seewhy.training_remarks import never_fell, sound

log = logging.getLogger(__name__)

A_ROUND = 50  # steps between two states on disk
GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class Stage:
    """What is learnt, how long and how fast.

    Attributes:
        steps: of the optimiser.
        rate: highest learning rate.
        parameters: what learns.
        loss: of a batch that it draws by the generator it is given.
        enter: brings the networks into the mode of the stage; called before each round.
        anew: whether what learns begins untrained, so that its loss must fall.
    """

    steps: int
    rate: float
    parameters: list[nn.Parameter]
    loss: Callable[[np.random.Generator], Tensor]
    enter: Callable[[], Any]
    anew: bool = True


class StagedTraining:
    """Stages one after another.

    Args:
        stages: by name, in order.
        networks: what learns, by name, for the state on disk.
        seed: of everything random.
        weight_decay: of AdamW.
        what: is being trained, for the progress bar.
        setting: section of params.yaml with the steps of each stage, for the error message.
    """

    def __init__(
        self,
        stages: Mapping[str, Stage],
        networks: Mapping[str, nn.Module],
        *,
        seed: int,
        weight_decay: float,
        what: str,
        setting: str,
    ) -> None:
        self.stages, self.seed, self.what, self.setting = dict(stages), seed, what, setting
        self.optimisers = {
            name: torch.optim.AdamW(stage.parameters, lr=stage.rate, weight_decay=weight_decay)
            for name, stage in self.stages.items()
        }
        optimisers = {f"{name} optimiser": one for name, one in self.optimisers.items()}
        self.parts: dict[str, Any] = {**networks, **optimisers}
        self.history: list[dict[str, Any]] = []

    def run(self, output: str | Path, resume: str | Path | None, made_from: Any) -> Unfinished:
        """Go through the stages, from where an earlier run stood.

        Args:
            output: what is trained, the name of the state on disk.
            resume: folder of that state; None: beside `output`.
            made_from: settings and data; a state of others is not taken up.

        Returns:
            The state on disk, to be discarded when the output is written.

        Raises:
            InputError: the loss is no longer finite.
        """
        unfinished = Unfinished(output, resume, made_from, **self.parts)
        self.history = unfinished.take_up().get("history", [])
        done = dict.fromkeys(self.stages, 0)
        for line in self.history:
            done[line["stage"]] = line["step"]
        total = sum(stage.steps for stage in self.stages.values())
        with progress(what=self.what, total=total, unit="step", initial=sum(done.values())) as bar:
            for name, stage in self.stages.items():
                for first in range(done[name], stage.steps, A_ROUND):
                    last = min(first + A_ROUND, stage.steps)
                    mean = self._round(name, first, last, bar.update)
                    bar.set_postfix(stage=name, loss=f"{mean:.3f}")
                    if not math.isfinite(mean):
                        raise InputError(
                            f"the loss is {mean} in stage {name} before step {last}; lower "
                            f"{self.setting}.{name} ({stage.rate:g} at its highest)"
                        )
                    self.history.append({"stage": name, "step": last, "loss": mean})
                    unfinished.save(self.history)
        sound(log, output, self.remarks())
        return unfinished

    def remarks(self) -> list[str]:
        """What is to be said of stages that learnt nothing (`seewhy.training_remarks`)."""
        found = (
            never_fell(
                [line["loss"] for line in self.history if line["stage"] == name],
                of=f"the loss of {self.what}, stage {name},",
            )
            for name, stage in self.stages.items()
            if stage.anew
        )
        return [remark for remark in found if remark]

    def write_history(self, path: str | Path) -> None:
        """CSV ``stage,step,loss``, the mean over the steps since the last line."""
        with whole_file(path) as temporary:
            pd.DataFrame(self.history, columns=["stage", "step", "loss"]).to_csv(
                temporary, index=False, float_format=number_format("%.6g")
            )

    def _round(self, name: str, first: int, last: int, update: Callable[[], Any]) -> float:
        """Steps first to last of a stage; the mean loss."""
        stage, optimiser, total = self.stages[name], self.optimisers[name], 0.0
        rng = np.random.default_rng([self.seed, list(self.stages).index(name), first])
        torch.manual_seed(int(rng.integers(2**31)))
        stage.enter()
        for step in range(first, last):
            for group in optimiser.param_groups:
                group["lr"] = stage.rate * _one_cycle(step / stage.steps)
            loss = stage.loss(rng)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(stage.parameters, GRADIENT_NORM)
            optimiser.step()
            total += loss.item()
            if not math.isfinite(total):
                break
            update()
        return total / (last - first)


def _one_cycle(done: float, warm_up: float = 0.15) -> float:
    """Share of the highest learning rate, at a share `done` of the steps."""
    if done < warm_up:
        return 0.04 + 0.96 * done / warm_up
    return 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up)))
