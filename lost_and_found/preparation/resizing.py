"""Shrinking raw pictures once to the size that everything later works from."""

from __future__ import annotations

import functools
import io
from pathlib import Path

from PIL import Image

from lost_and_found.errors import BrokenSample, InvalidConfig
from lost_and_found.preparation.pairs import Outcome, begin_transfer, mark_finished
from lost_and_found.processes import map_in_processes
from lost_and_found.samples import IMAGE_SUFFIXES, Sample, read_image, read_record, write_atomically

JPEG_QUALITY = 92
# What an image file may carry and still be copied as it is; anything else is metadata, or needs decoding.
HARMLESS = {
    *("jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "adobe", "adobe_transform"),
    *("progressive", "progression", "gamma", "srgb", "chromaticity", "aspect", "interlace"),
}


def resize_collection(
    source: Path, destination: Path, *, size: tuple[int, int] = (320, 180), workers: int | None = None
) -> Outcome:
    """Write each pair of a folder to another one with its picture shrunk.

    Pictures of another shape are cropped at the centre, smaller ones keep their size, JPEG stays JPEG and all
    else becomes PNG. They are turned upright and lose their metadata. Records are copied.

    Args:
        source: pairs, never changed.
        destination: filled by this function alone; also gets `rejected.csv`.
        size: (width, height) in pixels.
        workers: processes; by default one for each core.

    Raises:
        InvalidConfig: an impossible size, or a destination that holds something else.
        MissingInput: no source.
        StorageFull: no room; run again after making some, finished pairs are kept.
    """
    if min(size) < 1:
        raise InvalidConfig(f"size {size} must be (width, height) in pixels, both at least 1")
    settings = {"size": list(size), "jpeg_quality": JPEG_QUALITY}
    transfer = begin_transfer(source, destination, step="resize", settings=settings)
    resize = functools.partial(_resize_pair, destination=transfer.destination, size=size)
    reasons = map_in_processes(resize, transfer.to_do, description="resize", workers=workers)
    for sample, reason in zip(transfer.to_do, reasons, strict=True):
        if reason:
            transfer.reject(sample, reason)
    return transfer.outcome()


def resized(path: Path, size: tuple[int, int]) -> tuple[bytes, str]:
    """An encoded picture of at most that size, and the suffix of its format (".jpg" or ".png").

    Raises:
        BrokenSample: no whole image.
    """
    image = read_image(path, at_least=size)
    with Image.open(path) as header:
        is_jpeg = header.format in ("JPEG", "MPO")
        keep = (
            header.size == fitted_size(header.size, size)
            and (header.format, header.mode) in (("JPEG", "RGB"), ("PNG", "RGB"))
            and header.info.keys() <= HARMLESS
            and not getattr(header, "is_animated", False)
        )
    suffix = ".jpg" if is_jpeg else ".png"
    if keep:
        return path.read_bytes(), suffix
    encoded = io.BytesIO()
    if is_jpeg:
        # Full colour resolution: at this size a road line is a pixel wide, and its colour is evidence.
        fit(image, size).save(encoded, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        fit(image, size).save(encoded, "PNG")
    return encoded.getvalue(), suffix


def fit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The centre of a picture in the shape of `size`, shrunk to it but never enlarged."""
    width, height = image.size
    crop_width, crop_height = _centre(image.size, size)
    if crop_width > size[0]:
        left, top = (width - crop_width) / 2, (height - crop_height) / 2
        box = (left, top, left + crop_width, top + crop_height)
        return image.resize(size, Image.Resampling.LANCZOS, box=box)
    new_width, new_height = fitted_size(image.size, size)
    left, top = (width - new_width) // 2, (height - new_height) // 2
    return image.crop((left, top, left + new_width, top + new_height))


def fitted_size(original: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) in pixels that a picture of the original size will have."""
    crop_width, crop_height = _centre(original, size)
    if crop_width > size[0]:
        return size
    return max(1, round(crop_width)), max(1, round(crop_height))


def _centre(original: tuple[int, int], size: tuple[int, int]) -> tuple[float, float]:
    aspect = size[0] / size[1]
    return min(original[0], original[1] * aspect), min(original[1], original[0] / aspect)


def _resize_pair(sample: Sample, *, destination: Path, size: tuple[int, int]) -> str | None:
    """Why the pair can't be used; None once it is written."""
    try:
        read_record(sample.record)
        data, suffix = resized(sample.image, size)
    except BrokenSample as error:
        return error.reason
    for other in set(IMAGE_SUFFIXES) - {suffix}:
        (destination / f"{sample.id}{other}").unlink(missing_ok=True)
    # Written and dated one after the other: wherever a process is killed, the pair doesn't count as finished.
    for original, name, content in (
        (sample.image, f"{sample.id}{suffix}", data),
        (sample.record, f"{sample.id}.json", sample.record.read_bytes()),
    ):
        write_atomically(destination / name, content)
        mark_finished(original, destination / name)
    return None
