"""`scripts/guess --page`: a page to drop photos on, served to this machine alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import numpy as np
import pandas as pd
from gradio.data_classes import FileData
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from lost_and_found import pages
from lost_and_found.errors import BrokenSample
from lost_and_found.evaluation.evidence_plots import explanation
from lost_and_found.evaluation.guess_figures import country_shares, photo_evidence, plot_guess_map
from lost_and_found.evaluation.photos import guess_photos, point_text
from lost_and_found.evaluation.predictions import GUESSES
from lost_and_found.geo.countries import find_country
from lost_and_found.training.runs import Run

EVIDENCE = "What speaks for the guess"
KEPT_S = 600  # after which uploaded photos are deleted; the page shows them until then


def build_page(run: Run) -> gr.Blocks:
    """The page as a Gradio app, to be launched."""

    def guess(photo: str | None) -> tuple[dict[str, float] | None, str, Image.Image | None]:
        if photo is None:
            return None, "", None
        guesses = next(guess_photos(run, [Path(photo)]))
        row = guesses.table.iloc[0]
        if row["problem"]:
            return None, f"**This photo can't be read: {row['problem']}.**", None
        (shares,) = country_shares(run, guesses.decoded)
        named = {find_country(code).name: share for code, share in shares.items()}
        point = f"Guessed point: {point_text(row)}" if "place" in row else ""
        return named or None, point, _map_image(row, shares)

    def explain(photo: str | None) -> Iterator[gr.Image]:
        yield gr.Image(None, label=EVIDENCE)  # not an earlier photo's while this one's is computed
        if photo is None:
            return
        try:
            picture, title = photo_evidence(run, Path(photo))
        except (BrokenSample, OSError):  # `guess` says so
            return
        yield gr.Image(_enlarged(picture), label=title)

    with gr.Blocks(
        title="Lost & Found", analytics_enabled=False, delete_cache=(KEPT_S, KEPT_S), fill_width=True
    ) as page:
        gr.Markdown(
            "# Where was this photo taken?\n"
            "A model guesses from the middle of the photo, cropped to the shape of "
            f"{'x'.join(map(str, run.copy_size))} and shrunk to {run.config.width}x{run.config.height} "
            "pixels. Photos don't leave this machine. Probabilities are calibrated on photos like those that "
            f"it learned from; for others they mean little. {explanation(run)}"
        )
        with gr.Row():
            photo = gr.Image(
                label="Photo", alt_text="Your photo", sources=["upload", "clipboard"], height=320
            )
            # For files declared as images, Gradio doesn't check that they were uploaded.
            photo.data_model = FileData  # type: ignore[assignment]
            # Otherwise it opens the file, encodes it again, and shows errors of its own.
            photo.preprocess = _path_of  # type: ignore[method-assign, assignment]
            countries = gr.Label(
                label="Country", num_top_classes=GUESSES, visible=bool(run.target.country_codes)
            )
            evidence = gr.Image(
                label=EVIDENCE,
                alt_text="What the model sees: orange where it speaks for the guess, blue where against",
                interactive=False,
                buttons=["fullscreen"],
                height=320,
            )
        point = gr.Markdown()
        gr.Markdown("## Probability map" if run.target.country_codes else "## The guessed point")
        world = gr.Image(
            show_label=False,  # it would cover a part of the map
            alt_text="The world: the likelier a country, the darker it is; a star is the guessed point",
            format="png",
            interactive=False,
            buttons=["fullscreen"],
        )
        guessed = photo.change(
            guess, photo, [countries, point, world], api_name="guess", show_progress="minimal"
        )
        # On its own: evidence takes seconds, in which another photo may already be guessed.
        guessed.then(
            explain,
            photo,
            evidence,
            api_name="explain",
            show_progress="minimal",
            trigger_mode="always_last",
        )
    return page


def launch(page: gr.Blocks, *, port: int | None = None) -> str:
    """Serve the page to this machine from a thread until `page.close()`; returns its address.

    Args:
        page: from `build_page`.
        port: None for the first free one from 7860.

    Raises:
        InvalidConfig: the port is taken.
    """
    return pages.launch(page, port=port, max_file_size="50mb")


def _path_of(dropped: FileData | None) -> str | None:
    """Path of the file as it was dropped, which need not be an image."""
    return dropped.path if dropped else None


def _enlarged(picture: np.ndarray) -> Image.Image:
    """Smoothly; browsers would show the few pixels that there are as squares or not, as each likes."""
    height, width = picture.shape[:2]
    factor = max(1, round(640 / width))
    return Image.fromarray(picture).resize((factor * width, factor * height), Image.Resampling.BICUBIC)


def _map_image(row: pd.Series, shares: dict[str, float]) -> Image.Image:
    # Not pyplot's, which threads can't share; small, so that its scale can be read on a phone.
    figure = Figure(figsize=(6.6, 3), layout="constrained", dpi=200)
    plot_guess_map(figure.subplots(), row, shares)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
