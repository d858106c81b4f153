"""How 07's figures are drawn, to be read on a phone: narrow, large letters, colours that a colour-blind reader can tell apart (Okabe and Ito, 2008), an alt text."""

from __future__ import annotations

import base64
import io

import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.ticker import MaxNLocator
from PIL import Image
from PIL.PngImagePlugin import PngInfo

BLUE, ORANGE, GREEN, PINK, BLACK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222", "#777777"
WIDTH, DOTS = 6.4, 140
"""Inches, and dots an inch; shown at 100, so that letters stay sharp on a phone."""
SMALL, LARGE = 12, 14


def present(drawn: tuple[plt.Figure, str]) -> None:
    """Show a figure with its alt text, which a screen reader reads instead."""
    figure, alt = drawn
    data, width = as_png(figure)
    picture = base64.b64encode(data).decode()  # Colab's IPython 7 has no `alt` for its Image
    display({"image/png": picture, "text/plain": alt}, metadata={"image/png": {"width": width, "alt": alt}}, raw=True)


def as_png(figure: plt.Figure, **said: str) -> tuple[bytes, int]:
    """A figure as a PNG of 64 colours, a third of the size, and the width to show it at; `said` is written into the file."""
    raw, small, about = io.BytesIO(), io.BytesIO(), PngInfo()
    figure.savefig(raw, dpi=DOTS, bbox_inches="tight")
    picture = Image.open(raw).convert("RGB").quantize(64)
    for name, text in said.items():
        about.add_text(name, text)
    picture.save(small, "png", optimize=True, pnginfo=about)
    return small.getvalue(), round(picture.width * 100 / DOTS)


def axes(height: float):
    """A figure of the common width with one axes."""
    fig, ax = plt.subplots(figsize=(WIDTH, height))
    ax.tick_params(labelsize=SMALL)
    return fig, ax


def row_label(ax, y: float, text: str, **style) -> None:
    """A row's name at the left edge, just above its line."""
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    ax.text(0.005, y + 0.16, text, transform=ax.get_yaxis_transform(), fontsize=SMALL, va="bottom", bbox=box, **style)


def percent_axis(axis) -> None:
    """Ticks in whole per cents."""
    axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
