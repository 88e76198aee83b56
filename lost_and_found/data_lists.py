"""Pinned lists: exactly which samples, in which order, with a digest of each image.

`data-lists/<name>.txt` holds one `id<TAB>digest` per line; `data-lists/<name>.json`, its header, says how
the list came about and holds the digest of the text, so that an edit doesn't go unnoticed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from lost_and_found.digests import digest, digest_images
from lost_and_found.errors import InvalidConfig, LeakyList, ListMismatch, MissingInput, did_you_mean, some_of
from lost_and_found.locks import sole_writer
from lost_and_found.samples import Sample, write_atomically


@dataclass(frozen=True)
class PinnedList:
    """A list as it is, or will be, on disk.

    Attributes:
        digests: the digest of the image by id, in the order of the list.
        rule: what made the list, for example "split" or "load_samples".
        parameters: the seed, filters and thresholds of the rule; JSON values.
        countries: how many samples each country has, by alpha-2 code; may be empty.
        parents: digests of the lists that it came from, by name.
    """

    digests: Mapping[str, str]
    rule: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    countries: Mapping[str, int] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def ids(self) -> list[str]:
        """The ids in order."""
        return list(self.digests)

    @property
    def text(self) -> str:
        """What the .txt file holds."""
        return "".join(f"{sample_id}\t{hexdigits}\n" for sample_id, hexdigits in self.digests.items())

    @property
    def digest(self) -> str:
        """The digest of the .txt file, which names the list's content everywhere else."""
        return digest(self.text.encode())

    def header(self) -> dict[str, Any]:
        """What the .json file holds."""
        return {
            "rule": self.rule,
            "parameters": dict(self.parameters),
            "samples": len(self),
            "countries": dict(sorted(self.countries.items())),
            "parents": dict(self.parents),
            "digest": self.digest,
        }


def new_list(
    samples: Sequence[Sample],
    rule: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    country_codes: Iterable[str | None] = (),
) -> PinnedList:
    """A list of these samples in this order, with the digests of their images as they are now.

    Args:
        samples: with different ids.
        rule: what makes the list.
        parameters: of the rule; JSON values.
        country_codes: alpha-2 codes to be counted, in any order; those of samples without a country are None
            or NaN.

    Raises:
        InvalidConfig: a sample is there twice.
        FileNotFoundError: an image is missing.
    """
    _refuse_repeated([sample.id for sample in samples])
    hexdigits = digest_images(samples)
    return PinnedList(
        {sample.id: one for sample, one in zip(samples, hexdigits, strict=True)},
        rule,
        parameters=parameters or {},
        countries=_counts(country_codes),
    )


def sublist(
    parent_path: Path,
    ids: Iterable[str],
    rule: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    country_codes: Iterable[str | None] = (),
) -> PinnedList:
    """A list of some samples of a pinned list, in the order of `ids`, with the digests that the parent holds.

    Args:
        parent_path: of the parent, `data-lists/<name>.txt`.
        ids: of the samples, each once.
        rule: as for `new_list`.
        parameters: as for `new_list`.
        country_codes: as for `new_list`.

    Raises:
        InvalidConfig: an id is there twice.
        MissingInput: there is no such parent.
        ListMismatch: an id isn't in the parent, or the parent was edited.
    """
    parent = read_list(parent_path)
    ids = list(ids)
    _refuse_repeated(ids)
    strangers = [sample_id for sample_id in ids if sample_id not in parent.digests]
    if strangers:
        raise ListMismatch(
            f"{parent_path} doesn't hold {some_of(strangers)}; a sublist takes samples from its parent only"
        )
    return PinnedList(
        {sample_id: parent.digests[sample_id] for sample_id in ids},
        rule,
        parameters=parameters or {},
        countries=_counts(country_codes),
        parents={parent_path.stem: parent.digest},
    )


def _refuse_repeated(ids: Sequence[str]) -> None:
    if repeated := [one for one, times in Counter(ids).items() if times > 1]:
        raise InvalidConfig(f"a list holds each sample once, but {some_of(repeated)} would be in it again")


def _counts(country_codes: Iterable[str | None]) -> dict[str, int]:
    return Counter(code for code in country_codes if isinstance(code, str) and code)


def refuse_shared(splits: Mapping[str, Iterable[str]]) -> None:
    """Check that no sample is in two splits.

    Args:
        splits: the ids of each, by its name for messages.

    Raises:
        LeakyList: some are.
    """
    for (one, ids), (other, others) in combinations(splits.items(), 2):
        if shared := {*ids} & {*others}:
            raise LeakyList(
                f"{one} shares {len(shared)} samples with {other} ({some_of(sorted(shared))}), so what is "
                "measured on one was learned from the other; remove these lists and split again with "
                "2-data-preparation/05-split-list.ipynb"
            )


def pin(path: Path, pinned: PinnedList) -> PinnedList:
    """Write a list once; if it already exists, check that it is the same.

    Returns:
        The list on disk.

    Raises:
        InvalidConfig: the name doesn't end in .txt: `a.v1` and `a.v2` would share the header `a.json`.
        ListMismatch: the list on disk differs. It is never overwritten, since results may depend on it.
        StorageFull: no room.
    """
    if path.suffix != ".txt":
        raise InvalidConfig(f"the list {path} must have a name that ends in .txt")
    if not path.exists():
        with sole_writer(path, wait=True):
            if not path.exists():
                header = json.dumps(pinned.header(), indent=1, ensure_ascii=False)
                write_atomically(path.with_suffix(".json"), (header + "\n").encode())
                write_atomically(path, pinned.text.encode())
                return pinned
    existing = read_list(path)
    # Through JSON, so that a tuple equals the list that was read back.
    wanted = json.loads(json.dumps(pinned.header()))
    if differences := _differences(existing.header(), wanted):
        raise ListMismatch(
            f"{path} is pinned already and this run would make another list: "
            f"{some_of(differences, between='; ')}. Choose another dataset name, or remove "
            f"{path}{_with(path)} and the .json of the same name if nothing depends on them."
        )
    return existing


def read_list(path: Path) -> PinnedList:
    """The list on disk.

    Raises:
        MissingInput: the list or its header is missing.
        ListMismatch: it was edited, is cut off, or names a sample twice.
    """
    try:
        data = path.read_bytes()
        header = _read_header(path.with_suffix(".json"))
    except FileNotFoundError as error:
        raise MissingInput(
            f"{error.filename} is missing; notebooks 03 to 05 of 2-data-preparation write the lists"
            + did_you_mean(path.stem, {other.stem for other in path.parent.glob("*.txt")} - {path.stem})
        ) from None
    if digest(data) != header["digest"]:
        raise ListMismatch(
            f"{path} isn't the list that its header describes: it was edited or cut off. "
            "Restore both files, or remove both and make the list again."
        )
    rows = [line.split("\t") for line in data.decode().split("\n") if line]
    digests = dict(rows)
    if len(digests) != len(rows):
        raise ListMismatch(
            f"{path} names {len(rows) - len(digests)} samples twice; "
            "remove it and its .json, and make the list again"
        )
    return PinnedList(
        digests,
        header["rule"],
        parameters=header["parameters"],
        countries=header["countries"],
        parents=header["parents"],
    )


def _read_header(path: Path) -> dict[str, Any]:
    try:
        header = json.loads(path.read_bytes())
    except ValueError as error:
        raise ListMismatch(f"{path} is not valid JSON ({error}); restore it") from None
    wanted = {"rule", "parameters", "countries", "parents", "digest"}
    if not isinstance(header, dict) or not wanted <= header.keys():
        raise ListMismatch(
            f"{path} is not the header of a list, which has {', '.join(sorted(wanted))}; restore it"
        )
    return header


def check_samples(pinned: PinnedList, samples: Sequence[Sample], *, where: object) -> None:
    """Check that each image is the one that was pinned.

    Raises:
        ListMismatch: some images have changed since.
        FileNotFoundError: an image is missing.
    """
    found = digest_images(samples)
    changed = [
        sample.id for sample, one in zip(samples, found, strict=True) if one != pinned.digests[sample.id]
    ]
    if changed:
        raise ListMismatch(
            f"{where}: {len(changed)} of {len(samples)} images are not those that were pinned: "
            f"{some_of(changed)}. Put the original images back, or use another dataset name for the new ones."
        )


def _made_from(path: Path) -> list[str]:
    """Names of the lists in the same folder that came from a list, directly or through others."""
    parents = {one.stem: _parents(one) for one in sorted(path.parent.glob("*.json"))}
    found = {path.stem}
    while more := {name for name, of in parents.items() if of & found} - found:
        found |= more
    return sorted(found - {path.stem})


def _parents(header: Path) -> set[str]:
    try:
        return set(json.loads(header.read_text())["parents"])
    except (OSError, ValueError, LookupError, TypeError):  # not one of ours
        return set()


def _with(path: Path) -> str:
    names = _made_from(path)
    return f" (with {', '.join(names)}, which came from it)" if names else ""


def _differences(existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    differences = []
    for key in ("rule", "samples"):
        if existing[key] != wanted[key]:
            differences.append(f"{key} {existing[key]} there, {wanted[key]} now")
    for part, what in (("parameters", ""), ("countries", "samples of "), ("parents", "parent ")):
        there, now = existing[part], wanted[part]
        for key in sorted({*there, *now}):
            if there.get(key) != now.get(key):
                differences.append(f"{what}{key} {there.get(key, 'none')} there, {now.get(key, 'none')} now")
    if not differences and existing["digest"] != wanted["digest"]:
        differences.append("other samples, images or order")
    return differences
