"""Draw docs/mmlearn.png, the picture of README.md: Eq. 4.1 at work on a photograph.

.venv/bin/python tools/draw_picture.py
"""

from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import ConnectionPatch

import mmlearn.ops as F
from mmlearn import data
from mmlearn.show import SIGNED
from mmlearn.show.style import CARD, HAIRLINE, INK, MUTED, in_style, text_on

OUTPUT = Path(__file__).resolve().parent.parent / "docs" / "mmlearn.png"
SIZE = 190
WIDTH, HEIGHT, DPI = 12.8, 5.3, 125
KERNELS = {
    "dark left,\nbright right": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "dark above,\nbright below": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "dark to\nbright, along\na diagonal": [[-2, -1, 0], [-1, 0, 1], [0, 1, 2]],
    "a dark spot,\na bright ring": [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
}


def axes(figure, left, bottom, width, height):
    """Axes without ticks, placed in inches."""
    added = figure.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT))
    added.set(xticks=[], yticks=[])
    for spine in added.spines.values():
        spine.set(visible=True, color=HAIRLINE, linewidth=0.8)
    return added


def draw_kernel(panel, kernel):
    limit = kernel.abs().max().item()
    panel.imshow(kernel, cmap=SIGNED, vmin=-limit, vmax=limit)
    for row in range(3):
        for column in range(3):
            value = kernel[row, column].item()
            ground = SIGNED((value / limit + 1) / 2)[:3]
            ink = "white" if text_on(ground) else INK
            panel.text(column, row, f"{value:.0f}".replace("-", "−"), ha="center", va="center", color=ink, fontsize=9.5)
    for edge in (0.5, 1.5):
        panel.axhline(edge, color=CARD, linewidth=1.2)
        panel.axvline(edge, color=CARD, linewidth=1.2)


def main():
    photo = data.photo("chelsea", size=SIZE)  # (3, H, W)
    grey = data.photo("chelsea", size=SIZE, grey=True)[None]  # (1, 1, H, W)
    weight = torch.tensor(list(KERNELS.values()), dtype=torch.float32)[:, None]  # (4, 1, 3, 3)
    maps = F.conv2d(grey, weight)[0]  # (4, H − 2, W − 2)

    with in_style():
        figure = plt.figure(figsize=(WIDTH, HEIGHT), layout="none")
        figure.text(0.45 / WIDTH, 4.8 / HEIGHT, "mmlearn", fontsize=25, fontweight="bold", color=INK)
        figure.text(2.32 / WIDTH, 4.82 / HEIGHT, "multimodal deep learning, from the equations up", fontsize=14, color=MUTED)

        left = axes(figure, 0.45, 0.95, 3.5, 3.5)
        left.imshow(photo.permute(1, 2, 0), interpolation="antialiased")
        figure.text(0.45 / WIDTH, 0.5 / HEIGHT, "one photograph x", fontsize=12, color=INK)

        for place, (name, response) in enumerate(zip(KERNELS, maps, strict=True)):
            x = 4.5 + 2.02 * place
            kernel = axes(figure, x, 3.35, 1.1, 1.1)
            draw_kernel(kernel, weight[place, 0])
            panel = axes(figure, x, 0.95, 1.86, 1.86)
            limit = response.abs().quantile(0.985).item()
            panel.imshow(response, cmap=SIGNED, vmin=-limit, vmax=limit, interpolation="antialiased")
            arrow = {"arrowstyle": "-|>", "color": MUTED, "mutation_scale": 11, "shrinkA": 4, "shrinkB": 4}
            ends = (0.5, 0), (0.5 * 1.1 / 1.86, 1)
            line = ConnectionPatch(*ends, "axes fraction", "axes fraction", axesA=kernel, axesB=panel, **arrow)
            figure.add_artist(line)
            figure.text((x + 1.18) / WIDTH, 4.43 / HEIGHT, name, fontsize=8.5, color=MUTED, va="top")
        figure.text(4.5 / WIDTH, 4.53 / HEIGHT, "four kernels w", fontsize=12, color=INK)
        equation = r"four feature maps   $y[i,j] = \sum_u \sum_v w[u,v] \cdot x[i+u, j+v]$"
        figure.text(4.5 / WIDTH, 0.5 / HEIGHT, equation, fontsize=12, color=INK)
        figure.text(12.42 / WIDTH, 0.5 / HEIGHT, "blue below zero, orange above", fontsize=10, color=MUTED, ha="right")

        OUTPUT.parent.mkdir(exist_ok=True)
        figure.savefig(OUTPUT, dpi=DPI, metadata={"Software": None})
    plt.close(figure)
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
