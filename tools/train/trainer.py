"""The training loop: mixed precision, AdamW, an average of the weights, a limit of time, and resumption."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tools.train.checkpoint import network_from, write, write_weights
from tools.train.composition.composer import Composer
from tools.train.loss import loss_of
from tools.train.network import Network, normalise
from tools.train.schedule import average_decay, progress, rate_factor
from tools.train.scoring import Example, Floats, Pixels, score
from tools.train.shape import Shape

_CLIP = 3.0
_EARLY_REPORTS = (20, 100)
WEIGHTS, RUN, LOG = "ema.pt", "run.pt", "log.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to train."""

    shape: Shape
    seconds: float
    steps: int | None = None
    batch: int = 128
    rate: float = 2e-3
    decay: float = 0.02
    report_every: float = 45.0
    """Seconds between checkpoints, each with a line of the log."""
    resume: Path | None = None
    """``ema.pt`` to start from, or ``run.pt`` to go on with."""
    seed: int = 1


class Log:
    """Prints figures and appends them to a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path, self._start = path, time.monotonic()

    def write(self, **figures: object) -> None:
        """Write one line, with the seconds since the start."""
        line = json.dumps({**figures, "t": round(time.monotonic() - self._start, 1)})
        print(line, flush=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


class Trainer:
    """A network, its average and its optimiser."""

    def __init__(self, plan: Plan, composer: Composer, device: torch.device, folder: Path, log: Log) -> None:
        """Start from random weights, ``ema.pt`` or ``run.pt``.

        Raises:
            ValueError: the file to resume from belongs to a larger network or, ``run.pt``, to another one.

        """
        torch.manual_seed(plan.seed)
        self._plan, self._composer, self._device, self._folder, self._log = plan, composer, device, folder, log
        self.step, self._seen, self._elapsed = 0, 0, 0.0
        self._reported = (0, 0.0)
        """Pictures seen, and seconds of training, up to the last report."""
        run = _read_run(plan.resume)
        network = Network(plan.shape) if run or plan.resume is None else network_from(plan.resume, plan.shape)
        on_gpu = device.type == "cuda"
        self._network = network.to(device, memory_format=torch.channels_last if on_gpu else torch.contiguous_format)
        self.average = copy.deepcopy(self._network).eval().requires_grad_(requires_grad=False)
        matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
        vectors = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": plan.decay}, {"params": vectors, "weight_decay": 0.0}]
        self._optimiser = torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.99), fused=on_gpu)
        if run:
            self._restore(run)

    def train(self, examples: list[Example], *, stopping: Callable[[], bool] = lambda: False) -> None:
        """Train until time or steps are over, or ``stopping`` returns True before a step.

        Logs, scores on ``examples`` and saves now and then, and at the end.
        """
        plan, start, reported = self._plan, time.monotonic() - self._elapsed, time.monotonic()
        losses: list[Tensor] = []
        while True:
            now = time.monotonic()
            self._elapsed = now - start
            part = progress(seconds=self._elapsed, step=self.step, limit_seconds=plan.seconds, limit_steps=plan.steps)
            if part >= 1 or stopping():
                break
            losses.append(self._advance(plan.rate * rate_factor(part, self.step)))
            if self.step in _EARLY_REPORTS or now - reported > plan.report_every:
                self._report(losses, examples if self.step > max(_EARLY_REPORTS) else [])
                losses, reported = [], time.monotonic()
        self._report(losses, examples)

    def predict(self, photo: Pixels) -> Floats:
        """Return the averaged network's S×S alpha, 0 to 1, of an S×S×3 sRGB photo."""
        picture = torch.from_numpy(photo).to(self._device).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            return np.asarray(torch.sigmoid(self.average(normalise(picture)).float())[0, 0].cpu().numpy(), np.float32)

    def _advance(self, rate: float) -> Tensor:
        """Take one step; return the losses."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        pictures, alpha = self._composer.batch(self._plan.batch)
        on_gpu = self._device.type == "cuda"
        if on_gpu:
            pictures = pictures.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=on_gpu):
            logits, sides = self._network.supervised(normalise(pictures))
        losses = loss_of(logits, sides, alpha)
        self._optimiser.zero_grad(set_to_none=True)
        losses[0].backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), _CLIP)
        for parameter in self._network.parameters():
            # Gradients that overflowed are all NaN after clipping, and would ruin the network: such a step counts as 0.
            if parameter.grad is not None:
                parameter.grad.nan_to_num_(0.0, 0.0, 0.0)
        self._optimiser.step()
        self.step += 1
        self._seen += len(pictures)
        self._follow()
        return losses.detach()

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the network (Polyak and Juditsky, 1992)."""
        share = 1 - average_decay(self.step)
        # One fused operation in place of a thousand small ones.
        torch._foreach_lerp_(list(self.average.parameters()), list(self._network.parameters()), share)
        for mean, value in zip(self.average.buffers(), self._network.buffers(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, share)
            else:
                mean.copy_(value)

    def _report(self, losses: list[Tensor], examples: list[Example]) -> None:
        """Log and save."""
        seen, elapsed = self._reported
        figures: dict[str, object] = {"step": self.step, "seen": self._seen}
        if self._elapsed > elapsed:
            figures["per_second"] = round((self._seen - seen) / (self._elapsed - elapsed), 1)
        if self._device.type == "cuda":
            figures["gib"] = round(torch.cuda.max_memory_allocated(self._device) / 2**30, 1)
        self._reported = (self._seen, self._elapsed)
        if losses:
            total, entropy, iou = torch.stack(losses).mean(0).tolist()
            figures |= {"loss": round(total, 4), "cross_entropy": round(entropy, 4), "iou_loss": round(iou, 4)}
        if examples:
            figures |= score(examples, self.predict)
        self._log.write(**figures)
        write_weights(self._folder / WEIGHTS, self.average)
        state = {"network": self._network.state_dict(), "average": self.average.state_dict()}
        counters = {"step": self.step, "seen": self._seen, "elapsed": self._elapsed}
        write(self._folder / RUN, {**state, **counters, "optimiser": self._optimiser.state_dict()})

    def _restore(self, run: dict[str, Any]) -> None:
        try:
            self._network.load_state_dict(run["network"])
        except RuntimeError as error:
            raise ValueError(f"{self._plan.resume} is a run of another network than {self._plan.shape}") from error
        self.average.load_state_dict(run["average"])
        self._optimiser.load_state_dict(run["optimiser"])
        self.step, self._seen, self._elapsed = run["step"], run["seen"], run["elapsed"]
        self._reported = (self._seen, self._elapsed)


def _read_run(path: Path | None) -> dict[str, Any] | None:
    """Read ``run.pt``; None where the file holds weights alone."""
    if path is None:
        return None
    loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return loaded if "optimiser" in loaded else None
