"""Photos to import, and what tests check of every import."""

import io

import numpy as np
import pandas as pd
from PIL import Image

from lost_and_found.data_loader import find_pairs
from lost_and_found.samples import read_record


def picture(format="JPEG", seed=0, mode="RGB", **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (36, 64, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(data, format=format, **options)
    return data.getvalue()


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def reasons(report):
    return dict(zip(report.rejected["file"], report.rejected["reason"], strict=True))


def records(folder):
    return {sample.id: read_record(sample.record) for sample in find_pairs(folder)[0].values()}


def assert_books_balance(report, destination):
    pairs, halves = find_pairs(destination)
    assert report.found == report.imported + len(report.rejected)
    assert len(pairs) == report.imported
    assert halves == {}
    assert list(pd.read_csv(destination / "rejected.csv").columns) == ["id", "file", "reason"]
    assert int(report.counts().iloc[1:].sum()) == report.found
