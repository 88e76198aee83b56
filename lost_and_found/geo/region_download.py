"""Natural Earth's official 10m admin-1 map, downloaded once and made into a region file in the cache folder.

Natural Earth publishes no checksums and replaces the file in place when it corrects it. So the digest of the
first download is written beside it and every later download must have the same; `--sha256` checks the first
one against a digest that a team agreed on. In any case, the map must have the columns and exactly the number
of regions of version 5.1.

    python -m lost_and_found.geo.region_download [--sha256 DIGEST]
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

from tqdm.auto import tqdm

from lost_and_found.commands import command
from lost_and_found.errors import MissingInput, StoreError
from lost_and_found.geo.natural_earth import read_natural_earth
from lost_and_found.geo.region_file import write_region_file
from lost_and_found.geo.regions import FULL_RESOLUTION, cache_folder
from lost_and_found.samples import write_atomically

URL = "https://naciscdn.org/naturalearth/10m/cultural/ne_10m_admin_1_states_provinces.zip"
REGIONS = 4596
CHUNK = 1 << 20


def download_regions(folder: Path, *, url: str, sha256: str | None = None, count: int = REGIONS) -> Path:
    """The region file in `folder`, made from the official map, which is kept there too with its digest.

    Args:
        folder: made if absent; a region file in it stays as it is when anything fails.
        url: the zipped shapefile.
        sha256: hexadecimal digest that the download must have; without one, that of the first download.
        count: number of regions that the map must have.

    Raises:
        StoreError: no connection, or a file with another digest than before or than asked for.
        MissingInput: the file isn't the admin-1 map in the official schema, or has another number of regions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / url.rsplit("/", 1)[-1]
    record = archive.with_name(archive.name + ".sha256")
    data = _fetch(url)
    digest = hashlib.sha256(data).hexdigest()
    expected = sha256.lower() if sha256 else record.read_text().split()[0] if record.is_file() else digest
    if digest != expected:
        raise StoreError(
            f"{url} has SHA-256 {digest}, not {expected}; nothing was changed. If Natural Earth published a "
            f"correction that you trust, delete {record} or pass the new digest as --sha256"
        )
    write_atomically(archive, data)
    target = convert_official(archive, folder / FULL_RESOLUTION, count=count)
    write_atomically(record, f"{digest}  {archive.name}\n".encode())
    return target


def convert_official(archive: Path, target: Path, *, count: int = REGIONS) -> Path:
    """Turn an official map into a region file.

    Raises:
        MissingInput: another schema than the official one, or another number of regions than `count`.
    """
    table, geometries = read_natural_earth(archive)
    if len(table) != count:
        raise MissingInput(
            f"{archive} has {len(table):,} regions where {count:,} were expected; it may be another version "
            f"of the map. Pass --count {len(table)} to use it anyway"
        )
    title = f"Natural Earth 10m admin-1, {archive.name}"
    write_region_file(target, table=table, geometries=geometries, title=title)
    return target


def _fetch(url: str) -> bytes:
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "lost-and-found"})
        with urllib.request.urlopen(request, timeout=60) as response:
            total = int(response.headers.get("Content-Length") or 0)
            chunks = []
            with tqdm(total=total or None, unit="B", unit_scale=True, desc="download") as progress:
                while chunk := response.read(CHUNK):
                    chunks.append(chunk)
                    progress.update(len(chunk))
    # URLError, HTTPError and time-outs are OSErrors; ValueError is of what is no address.
    except (OSError, HTTPException, ValueError) as error:
        raise StoreError(
            f"{url} can't be downloaded ({error}); try again, or fetch it by hand and pass --file"
        ) from None
    data = b"".join(chunks)
    if total and len(data) != total:
        raise StoreError(f"the download of {url} stopped after {len(data):,} of {total:,} bytes; try again")
    return data


@command()
def main(arguments: Sequence[str] | None = None) -> int:
    """Put Natural Earth's full-resolution regions into the cache folder, where they are used from then on."""
    parser = argparse.ArgumentParser(prog="scripts/download-regions", description=main.__doc__)
    parser.add_argument("--url", default=URL, help="address of the map (default: Natural Earth's own)")
    parser.add_argument(
        "--sha256", help="digest that the download must have (default: that of the first download)"
    )
    parser.add_argument(
        "--count",
        type=int,
        default=REGIONS,
        help=f"number of regions that the map must have (default: {REGIONS})",
    )
    parser.add_argument("--file", type=Path, help="use this official .zip or .shp instead of downloading")
    options = parser.parse_args(arguments)
    folder = cache_folder()
    if options.file:
        target = convert_official(options.file, folder / FULL_RESOLUTION, count=options.count)
    else:
        target = download_regions(folder, url=options.url, sha256=options.sha256, count=options.count)
    print(f"{target}: in use from now on; delete it to go back to the regions that ship with the package")
    return 0


if __name__ == "__main__":
    sys.exit(main())
