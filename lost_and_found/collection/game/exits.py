"""Which error ends a collection with which exit status, and how a worker reports it to the fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lost_and_found import errors

OTHER = 1
STATUS: Mapping[type[Exception], int] = {
    errors.InvalidConfig: 2,
    errors.SiteChanged: 3,
    errors.LoginRefused: 4,
    errors.NotPermitted: 5,
    errors.StorageFull: 6,
    errors.BrowserMissing: 7,
    errors.CollectionStuck: 8,
}


def status_of(error: Exception) -> int:
    """The exit status for an error; 1 for one that has none of its own."""
    return STATUS.get(type(error), OTHER)


def failure_of(error: Exception) -> dict[str, Any]:
    """What a worker reports of an error, as JSON values."""
    details = {name: value if value is None else str(value) for name, value in vars(error).items()}
    return {"kind": type(error).__name__, "message": str(error), "details": details}


def error_of(failure: Mapping[str, Any]) -> errors.LostAndFoundError:
    """The error that a worker reported, of a kind that ends a collection; its attributes are strings."""
    kind: type[errors.LostAndFoundError] = getattr(errors, failure["kind"])
    error = kind.__new__(kind, failure["message"])  # the constructors compose messages of their own
    vars(error).update(failure["details"])
    return error
