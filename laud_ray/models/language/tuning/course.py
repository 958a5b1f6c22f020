"""One course of training on one rank: its epochs, its state, and the temperature of its answers.

Prompts share their prefix, so several bodies are packed behind one prefix (laud_ray.models.packing). n examples, k
classes, b bodies in a row. Classes are numbered by the position of their code in the prompt.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from ray.train.torch import get_device, prepare_model
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from laud_ray.config import CausalConfig
from laud_ray.models import ray_train
from laud_ray.models.holdout import MIN_HOLDOUT, hold_back
from laud_ray.models.language.label_prompt import LabelPrompt
from laud_ray.models.language.tuning.answer_model import AnswerModel, learning_rate
from laud_ray.models.language.tuning.learned import Answers, next_rate
from laud_ray.models.language.tuning.sharding import placed_like, sharded, whole
from laud_ray.models.packing import Pack, into_packs, pack
from laud_ray.stats.calibration import fit_temperature
from laud_ray.types import Floats, Indices

STATE = "state.safetensors"
# The share of the epochs that train on the held-out examples too, at least one epoch.
LAST = 0.2
# The standard deviation of the prior on log T. Held-out examples were mostly selected because they are hard, so that a
# temperature fitted on them alone is too high for the corpus.
PRIOR = 0.5
# How many times a training saves its state, at most about twice this; after every epoch if it has few.
SAVES = 10


class Course:
    """One course of training; `begin_again` repeats it from the base model.

    `bodies` are the token ids that follow the prompt's prefix for each of the n examples, and `targets` the (n,)
    classes.
    """

    def __init__(
        self,
        settings: CausalConfig,
        model: Any,
        prompt: LabelPrompt,
        bodies: Sequence[Sequence[int]],
        targets: Indices,
        seed: int,
    ) -> None:
        self.peft, self.epochs = model, settings.epochs_for(len(targets))
        self._settings, self._prompt, self._prefix = settings, prompt, prompt.frames[0].prefix_ids
        self._bodies, self._targets, self._seed = bodies, targets, seed
        self._device = get_device()
        answers, shard = AnswerModel(model, prompt.token_ids), settings.shard and ray_train.world_size() > 1
        self._model: Any = sharded(answers, self._device) if shard else prepare_model(answers)
        self._named = {name: p for name, p in self._model.named_parameters() if p.requires_grad}
        self._initial = {name: whole(p) for name, p in self._named.items()}
        self._held = hold_back(targets, self._held_share(), np.random.default_rng(seed))
        self._unheld = self.epochs - max(1, round(LAST * self.epochs)) if len(self._held) else 0
        self._temperature = 1.0
        self._rates = [settings.learning_rate or learning_rate(model)]
        self._opening_loss, self._diverged = math.nan, False
        self._start()

    @property
    def rate(self) -> float:
        """The highest learning rate of the current attempt."""
        return self._rates[-1]

    def epoch(self, epoch: int) -> Answers:
        """Train on the examples once; return how the model answered them, over all ranks. `epoch` counts from 0."""
        if len(self._held) and epoch == self._unheld:
            logits = self.logits(self._held)
            self._temperature = fit_temperature(logits, self._targets[self._held], prior=PRIOR)
        self._model.train()
        rows = np.arange(len(self._bodies))
        if epoch < self._unheld:
            rows = np.setdiff1d(rows, self._held)
        order = np.random.default_rng([self._seed, epoch]).permutation(rows)
        size = self._settings.batch
        batches = [order[i : i + size] for i in range(0, len(order), size)]
        loss, named = 0.0, np.full(len(self._bodies), -1)
        for step, batch in enumerate(batches):
            progress = (epoch + step / len(batches)) / self.epochs
            for group in self._optimizer.param_groups:
                group["lr"] = ray_train.learning_rate(progress, self.rate)
            loss += self._step(batch, named)
        answers = self._answers(loss, named, rows)
        if epoch == 0:
            self._opening_loss = answers.loss
        return answers

    def saves_after(self, epoch: int) -> bool:
        """Whether to save the state after an epoch; not after the last one, whose result is the model."""
        return epoch + 1 < self.epochs and (epoch + 1) % max(1, self.epochs // SAVES) == 0

    def begin_again(self, answers: Answers) -> bool:
        """Go back to the base model with another learning rate, if there is one to try, and return whether there is.

        Args:
            answers: those of the last epoch of this attempt.
        """
        if len(self._rates) == 1:
            self._diverged = not answers.loss <= self._opening_loss
        rate = next_rate(self._rates[0], len(self._rates), diverged=self._diverged)
        if rate is None:
            return False
        self._rates.append(rate)
        self._restore(self._initial)
        self._start()
        return True

    def description(self, answers: Answers) -> dict[str, Any]:
        """Return what model.json records of the training; `failure` only if the model has not learned."""
        told: dict[str, Any] = {
            "temperature": self._temperature,
            "held_out": len(self._held),
            "epochs": self.epochs,
            "learning_rate": self.rate,
            "training": {"accuracy": answers.accuracy, "base_rate": answers.base_rate, "n": answers.n},
        }
        if not answers.learned:
            # In a narrow prompt, a code stands for another label in each document.
            prompt = self._prompt
            labels = prompt.codes if prompt.narrow else [prompt.labels[c].name for c in prompt.orders[0]]
            told["failure"] = answers.failure(labels, self._rates)
        return told

    def resume(self) -> int:
        """Load the state that a previous attempt saved, if any; return the epoch to continue with."""
        with ray_train.last_checkpoint() as path:
            if path is None or not (path / STATE).exists():
                return 0
            state = load_file(path / STATE)
        self._restore({name: state[f"weight.{name}"] for name in self._named})
        self._start()
        for name, parameter in self._named.items():
            moments = {key: placed_like(parameter, state[f"{key}.{name}"]) for key in ("exp_avg", "exp_avg_sq")}
            self._optimizer.state[parameter] = {**moments, "step": state["step"].clone()}
        self._rates = state["rates"].tolist()
        self._temperature, self._opening_loss = float(state["temperature"]), float(state["opening_loss"])
        self._diverged = bool(state["diverged"])
        return int(state["epoch"])

    def state(self, epoch: int) -> dict[str, torch.Tensor]:
        """Return the state that `resume` needs, with unsharded tensors on every rank; `epoch` is the next one."""
        state = {
            "epoch": torch.tensor(epoch),
            "rates": torch.tensor(self._rates, dtype=torch.float64),
            "temperature": torch.tensor(self._temperature, dtype=torch.float64),
            "opening_loss": torch.tensor(self._opening_loss, dtype=torch.float64),
            "diverged": torch.tensor(self._diverged),
        }
        for name, parameter in self._named.items():
            held = self._optimizer.state[parameter]
            state["step"] = held["step"].cpu().clone()
            state[f"weight.{name}"] = whole(parameter)
            state |= {f"{key}.{name}": whole(held[key]) for key in ("exp_avg", "exp_avg_sq")}
        return state

    def adapter(self) -> dict[str, torch.Tensor]:
        """Return the adapter's weights by PEFT's names, unsharded on every rank."""
        from peft import get_peft_model_state_dict

        # Wrappers for several workers prepend their own names to those of the parameters.
        unsharded = {name.split("model.", 1)[1]: whole(parameter) for name, parameter in self._named.items()}
        weights: dict[str, torch.Tensor] = get_peft_model_state_dict(self.peft, state_dict=unsharded)
        return weights

    @torch.no_grad()
    def logits(self, rows: Indices) -> Floats:
        """Return the (len(rows), k) logits of the codes for some examples. Every rank computes all of them."""
        self._model.eval()
        logits = np.empty((len(rows), len(self._prompt.codes)), np.float32)
        for group in into_packs([len(self._bodies[i]) for i in rows], len(self._prefix), self._settings.batch_tokens):
            logits[group] = self._forward(rows[group])[1].cpu().numpy()
        return logits

    def _held_share(self) -> float:
        """Return the share of the examples to hold out: of few, enough for a temperature, but at most a third."""
        n, share = len(self._targets), self._settings.holdout
        # A single epoch leaves no model to calibrate before the held-out examples are trained on.
        if not share or self.epochs == 1:
            return 0.0
        return max(share, MIN_HOLDOUT / n) if n >= 3 * MIN_HOLDOUT else share

    def _start(self) -> None:
        self._optimizer = torch.optim.AdamW(self._named.values(), lr=self.rate, weight_decay=0.0)

    @torch.no_grad()
    def _restore(self, weights: dict[str, torch.Tensor]) -> None:
        for name, parameter in self._named.items():
            parameter.copy_(placed_like(parameter, weights[name]))

    def _step(self, rows: Indices, named: Indices) -> float:
        """Take one step on a batch; note the class of each example of this rank; return the sum of losses."""
        self._optimizer.zero_grad()
        packs = list(self._packs(rows))
        total = 0.0
        for i, (chosen, weight) in enumerate(packs):
            with self._without_exchange(i + 1 < len(packs)):
                targets, logits = self._forward(chosen)
            losses = cross_entropy(logits, targets, reduction="sum") * weight
            # Gradients are averaged over ranks; multiplied by their number, the loss is the mean over the whole batch.
            (losses * ray_train.world_size() / len(rows)).backward()  # type: ignore[no-untyped-call]
            total += float(losses.detach())
            if weight:
                named[chosen] = logits.detach().argmax(1).cpu().numpy()
        self._optimizer.step()
        return total

    def _forward(self, rows: Indices) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the (b,) classes of some examples and the (b, k) logits of their codes, on the device."""
        packed: Pack = pack(self._prefix, [self._bodies[i] for i in rows]).to(self._device)
        logits = self._model(packed.ids, packed.positions, packed.mask, packed.ends, packed.bodies)
        return torch.from_numpy(self._targets[rows]).to(self._device), logits

    def _packs(self, rows: Indices) -> Iterator[tuple[Indices, float]]:
        """Yield this rank's share of a batch: the examples of each packed row, and a weight.

        All ranks yield the same number of rows, because the exchange of gradients waits for every rank. A rank with
        fewer rows fills up with rows of weight 0.
        """
        shares, budget = ray_train.rows_by_rank(rows), self._settings.batch_tokens
        groups = [into_packs([len(self._bodies[i]) for i in s], len(self._prefix), budget) for s in shares]
        mine = [shares[ray_train.rank()][group] for group in groups[ray_train.rank()]]
        for i in range(max(map(len, groups))):
            yield ray_train.own_rows(mine[i] if i < len(mine) else None, rows)

    def _without_exchange(self, more: bool) -> AbstractContextManager[None]:
        """Do not exchange gradients between ranks while more rows of the same step follow."""
        if isinstance(self._model, DistributedDataParallel) and more:
            quiet: AbstractContextManager[None] = self._model.no_sync()
            return quiet
        return nullcontext()

    def _answers(self, loss: float, named: Indices, rows: Indices) -> Answers:
        """Put the answers of all ranks together; every example was answered on one of them, and is -1 on the others."""
        total = ray_train.summed(np.asarray([loss, *(named[rows] + 1)], np.float64))
        given, true = total[1:].astype(np.int64) - 1, self._targets[rows]
        k = len(self._prompt.codes)
        counts = (np.bincount(part, minlength=k) for part in (given, true[given == true], true))
        return Answers(float(total[0]) / len(rows), *counts)
