import copy

import pytest
import torch
from torch import nn

from lost_and_found.training.averaging import MovingAverage


@pytest.mark.parametrize("last", [nn.BatchNorm2d(4), nn.ReLU()])  # only the former counts batches
def test_the_moving_average_is_what_its_formula_says(last):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), last)
    average = MovingAverage(model, decay=0.9)
    expected = copy.deepcopy(model.state_dict())
    for steps in range(30):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        model(torch.rand(2, 3, 5, 5))  # moves the statistics and the count of batches
        average.update(steps=steps)
        decay = min(0.9, (1 + steps) / (10 + steps))
        for name, value in model.state_dict().items():
            mixed = decay * expected[name] + (1 - decay) * value
            expected[name] = mixed if value.is_floating_point() else value.clone()
    for name, value in average.model.state_dict().items():
        torch.testing.assert_close(value, expected[name])
