"""Great-circle distances and unit vectors, for numpy arrays and for torch tensors.

A point is (lat, lon) in degrees along the last axis, a unit vector points to it from the Earth's centre, and
a chord is the straight line between the ends of two unit vectors.

Tensors stay tensors (device, gradient and, if it is of floats, dtype are kept); everything else becomes a
float64 array. Torch is not imported here, so that processes that only need numpy start quickly: nobody can
pass a tensor without having imported it.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

EARTH_RADIUS_KM = 6371.0
HIGHEST_LATITUDE = 90.0001  # beyond the pole by as much as rounding may put a point


def haversine_km(a: Any, b: Any) -> Any:  # noqa: ANN401 (an array or a tensor; returned as the same)
    """Great-circle distance in km; its gradients are finite at coincident and opposite points too.

    The usual arcsine of the square root loses precision near antipodes (2 km in float32) and has no usable
    gradient there. With the squared half chord h to b and the squared half chord to b's antipode, which is
    1 - h, computed separately, the arctangent of their roots is exact at both ends.

    Args:
        a: points, shape (..., 2), degrees.
        b: points, shape (..., 2), degrees; leading axes broadcast against those of `a`.

    Raises:
        ValueError: the last axis of one of them isn't (lat, lon), or, in an array, a latitude is beyond ±90,
            as where axes are swapped. Latitudes in tensors aren't looked at, which would make a GPU wait.

    Source: Sinnott, R. W., "Virtues of the haversine", Sky and Telescope 68 (1984) 159.
    """
    xp, (a, b) = _same_kind(a, b)
    lat_a, lon_a = _radians(a)
    lat_b, lon_b = _radians(b)
    both_cosines = xp.cos(lat_a) * xp.cos(lat_b)
    half_lon = (lon_b - lon_a) / 2
    to_b = xp.sin((lat_b - lat_a) / 2) ** 2 + both_cosines * xp.sin(half_lon) ** 2
    to_antipode = xp.sin((lat_b + lat_a) / 2) ** 2 + both_cosines * xp.cos(half_lon) ** 2
    return 2 * EARTH_RADIUS_KM * xp.arctan2(_root(xp, to_b), _root(xp, to_antipode))


def great_circle_km(a: Any, b: Any) -> Any:  # noqa: ANN401
    """Great-circle distance in km between unit vectors (..., 3), by the same formula as `haversine_km`.

    The arccosine of the dot product would be far off for near and for opposite points in float32.

    Raises:
        ValueError: the last axis of one of them isn't (x, y, z).
    """
    xp, (a, b) = _same_kind(a, b)
    for vectors in (a, b):
        _check_axis(vectors, ("x", "y", "z"))
    to_b, to_antipode = ((a - b) ** 2).sum(-1), ((a + b) ** 2).sum(-1)
    return 2 * EARTH_RADIUS_KM * xp.arctan2(_root(xp, to_b), _root(xp, to_antipode))


def chord_to_km(chord: Any) -> Any:  # noqa: ANN401
    """Great-circle distance in km between points whose chord, on the unit sphere, is this long."""
    xp, (chord,) = _same_kind(chord)
    return 2 * EARTH_RADIUS_KM * xp.arcsin(xp.clip(chord / 2, 0, 1))


def km_to_chord(distance_km: float) -> float:
    """Length of the chord, on the unit sphere, between points at this great-circle distance."""
    return float(2 * np.sin(distance_km / EARTH_RADIUS_KM / 2))


def to_unit_vectors(points: Any) -> Any:  # noqa: ANN401
    """Points (..., 2) in degrees as unit vectors (..., 3): x towards (0, 0), y (0, 90), z the north pole.

    Raises:
        ValueError: as in `haversine_km`.
    """
    xp, (points,) = _same_kind(points)
    lat, lon = _radians(points)
    return xp.stack((xp.cos(lat) * xp.cos(lon), xp.cos(lat) * xp.sin(lon), xp.sin(lat)), -1)


def from_unit_vectors(xyz: Any) -> Any:  # noqa: ANN401
    """Points (..., 2) in degrees, lon in [-180, 180], of vectors (..., 3) of any length except zero.

    Raises:
        ValueError: the last axis isn't (x, y, z).
    """
    xp, (xyz,) = _same_kind(xyz)
    _check_axis(xyz, ("x", "y", "z"))
    x, y, z = xyz[..., 0], xyz[..., 1], xyz[..., 2]
    lat = xp.arctan2(z, _root(xp, x**2 + y**2))
    return xp.rad2deg(xp.stack((lat, xp.arctan2(y, x)), -1))


def _same_kind(*arrays: Any) -> tuple[Any, list[Any]]:  # noqa: ANN401
    """The module to compute with and the arrays as that module's own kind."""
    torch = sys.modules.get("torch")
    tensors = [a for a in arrays if torch is not None and isinstance(a, torch.Tensor)]
    if torch is None or not tensors:
        return np, [np.asarray(a, dtype=np.float64) for a in arrays]
    # Whole degrees would round those of the other array.
    dtypes = [tensor.dtype for tensor in tensors if tensor.is_floating_point()]
    dtype = dtypes[0] if dtypes else torch.get_default_dtype()
    return torch, [torch.as_tensor(a, dtype=dtype, device=tensors[0].device) for a in arrays]


def _check_axis(points: Any, names: tuple[str, ...]) -> None:  # noqa: ANN401
    if points.ndim == 0 or points.shape[-1] != len(names):
        raise ValueError(
            f"points have shape {tuple(points.shape)}; the last axis must be ({', '.join(names)})"
        )


def _radians(points: Any) -> tuple[Any, Any]:  # noqa: ANN401
    _check_axis(points, ("lat", "lon"))
    if isinstance(points, np.ndarray) and (wrong := np.abs(points[..., 0]) > HIGHEST_LATITUDE).any():
        raise ValueError(f"latitude {points[wrong][0, 0]:g} is beyond ±90; a point is (lat, lon) in degrees")
    radians = points * (np.pi / 180)
    return radians[..., 0], radians[..., 1]


def _root(xp: Any, squared: Any) -> Any:  # noqa: ANN401
    """Square root whose slope at zero is zero instead of infinite; rounding below zero counts as zero.

    That of NaN is NaN: a network that has diverged must not be at every true point.
    """
    positive = ~(squared <= 0)
    return xp.sqrt(xp.where(positive, squared, 1.0)) * positive
