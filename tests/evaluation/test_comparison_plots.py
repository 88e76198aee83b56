"""Figures of a comparison can be read, whoever looks and however long the names are."""

import numpy as np
import pytest
from matplotlib import colors

from lost_and_found.evaluation import comparison_plots

# Machado, Oliveira and Fernandes (2009): of linear RGB, for people without red and without green cones.
SIGHTS = {
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
}
# XYZ of linear RGB, as a part of white's.
TRISTIMULUS = np.array([[0.434, 0.376, 0.190], [0.213, 0.715, 0.072], [0.018, 0.109, 0.873]])


@pytest.mark.parametrize("sight", SIGHTS)
def test_people_who_are_colour_blind_can_tell_the_curves_of_runs_apart(sight):
    rgb = np.array([colors.to_rgb(colour) for colour in comparison_plots.COLOURS])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt((linear @ np.transpose(SIGHTS[sight])).clip(0, 1) @ TRISTIMULUS.T).T
    lab = np.stack([116 * y, 500 * (x - y), 200 * (y - z)], axis=1)
    apart = np.linalg.norm(lab[:, None] - lab, axis=2)[np.triu_indices(len(lab), 1)]
    assert apart.min() > 12  # of CIELAB, in which 2 can just be noticed side by side
