import torch
from torch import nn

from lost_and_found.training.averaging import MovingAverage


def test_a_network_without_batch_normalisation_is_averaged_too():
    model = nn.Linear(2, 1)
    average, before = MovingAverage(model, 0.99), model.weight.detach().clone()
    nn.init.ones_(model.weight)
    average.update(model, steps=0)
    torch.testing.assert_close(average.model.weight, before + 0.9 * (1 - before))
