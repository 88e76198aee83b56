"""What training needs to continue exactly where it was stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from lost_and_found.training.optimizer import restore_optimizer

if TYPE_CHECKING:
    from lost_and_found.training.epochs import Training


def state_of(training: Training) -> dict[str, Any]:
    """Everything that changes during training; all processes must call this together."""
    random = [torch.get_rng_state()]
    if training.device.type == "cuda":
        random.append(torch.cuda.get_rng_state(training.device))
    return {
        "model": training.model.state_dict(),
        "average": training.average.model.state_dict() if training.average else {},
        "optimizer": training.optimizer.state_dict(),
        "epoch": training.epoch,
        "step": training.step,
        "best_epoch": training.best_epoch,
        "best_weights": training.best_weights,
        "history": training.history,
        "steps": training.steps,
        "loss_sums": training.world.from_all(training.loss_sum.item()),
        "seconds": training.seconds,
        "rate": training.rate,
        "random": training.world.from_all(random),  # of each process: their dropout differs
        "augmentation": training.augmentation.generator.get_state(),
        "scaler": training.scaler.state_dict(),
    }


def restore(training: Training, state: dict[str, Any]) -> None:
    """Put a training run into a state that `state_of` returned."""
    training.model.load_state_dict(state["model"])
    if training.average:
        training.average.model.load_state_dict(state["average"])
    restore_optimizer(training.optimizer, state["optimizer"])
    if (scaler := state.get("scaler")) and training.scaler.is_enabled():
        training.scaler.load_state_dict(scaler)
    for name in ("epoch", "step", "best_epoch", "history", "steps", "seconds"):
        setattr(training, name, state[name])
    sums = state.get("loss_sums") or [state["total_loss"]]  # the latter in checkpoints of earlier versions
    if len(sums) != training.world.size:
        sums = [sum(sums)] + [0.0] * (training.world.size - 1)
    training.loss_sum.fill_(sums[training.world.rank])
    training.best_weights = state.get("best_weights", {})
    training.rate = state.get("rate", 0.0)
    generator, drawn = training.augmentation.generator, state["augmentation"]
    if drawn.shape == generator.get_state().shape:
        generator.set_state(drawn)
    else:  # written on another kind of device, whose random numbers can't be continued here
        generator.manual_seed(training.config.seed + training.steps)
    if len(state["random"]) == training.world.size:  # else other processes resume, with other masks
        own, *of_gpu = state["random"][training.world.rank]
        torch.set_rng_state(own)
        if of_gpu and training.device.type == "cuda":
            torch.cuda.set_rng_state(of_gpu[0], training.device)
