"""AdamW with a learning rate for the backbone and one for the head, both of which follow a schedule."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.models import head


def build_optimizer(
    model: nn.Module, config: TrainingConfig, *, pretrained: bool, device: torch.device
) -> AdamW:
    """The optimizer of a model.

    Its two groups are named "backbone" and "head"; "highest_lr" is what the schedule's factor multiplies.

    Args:
        model: on the device.
        config: gives the rates.
        pretrained: whether the backbone has features to lose; a random one learns at the full rate.
        device: the model's; learning rates are kept on a GPU, where a recorded step reads them.
    """
    of_head = list(head(model).parameters())
    known = {id(parameter) for parameter in of_head}
    of_backbone = [parameter for parameter in model.parameters() if id(parameter) not in known]
    rates = {"backbone": config.learning_rate * (config.backbone_factor if pretrained else 1.0)}
    rates["head"] = config.learning_rate
    on_gpu = device.type == "cuda"
    groups = [
        {
            "name": name,
            "params": parameters,
            "highest_lr": rates[name],
            "lr": torch.tensor(rates[name], device=device) if on_gpu else rates[name],
        }
        for name, parameters in (("backbone", of_backbone), ("head", of_head))
    ]
    return AdamW(groups, weight_decay=config.weight_decay, fused=on_gpu, capturable=on_gpu)


def highest_rates(optimizer: AdamW) -> dict[str, float]:
    """The peak learning rate of each group."""
    return {group["name"]: group["highest_lr"] for group in optimizer.param_groups}


def set_learning_rates(optimizer: AdamW, factor: float) -> None:
    """Set the learning rates to this fraction of their peaks."""
    for group in optimizer.param_groups:
        _set_rate(group, group["highest_lr"] * factor)


def learning_rate_of(optimizer: AdamW) -> float:
    """The head's learning rate at the last step, without float32's spurious digits."""
    return float(f"{float(optimizer.param_groups[-1]['lr']):.7g}")


def restore_optimizer(optimizer: AdamW, state: dict[str, Any]) -> None:
    """Load the optimizer's state from a checkpoint; its options stay those of this config and device."""
    groups = []
    for group, saved in zip(optimizer.param_groups, state["param_groups"], strict=True):
        _set_rate(group, float(saved["lr"]))
        groups.append({**group, "params": saved["params"]})
    optimizer.load_state_dict({**state, "param_groups": groups})


def _set_rate(group: dict[str, Any], rate: float) -> None:
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate
