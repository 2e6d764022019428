"""The shapes of the world as signed distances: how far a point lies outside the outline, negative inside.

Each function takes x (rightwards) and y (downwards) in units of the object's radius and returns a distance in the same unit. It
is exact near the edges, where it decides how much of a pixel is covered, and nowhere larger than the true distance. Every shape
fits the square from −1 to 1. Only additions, multiplications, comparisons and square roots are used: they round alike everywhere,
so that a scene has the same bits on any machine and in any batch.
"""

import math

import torch

SQUARE = 0.88  # half a side: about as much area as the circle
TRIANGLE = 0.87  # where its base lies: nearly an equilateral triangle
DIAMOND = 0.8  # half its width; its half height is 1
CROSS = 0.36  # half the width of its bars
STAR = 0.45  # how far its five inner corners lie from the centre, the outer ones being at 1
RING = 0.52  # radius of its hole


def circle(x, y):
    return (x * x + y * y).sqrt() - 1


def square(x, y):
    return torch.maximum(x.abs(), y.abs()) - SQUARE


def triangle(x, y):
    """The corner up at (0, −1), the others at (±1, TRIANGLE)."""
    length = math.hypot(1 + TRIANGLE, 1)
    side = x.abs() * ((1 + TRIANGLE) / length) - (y + 1) * (1 / length)
    return torch.maximum(side, y - TRIANGLE)


def diamond(x, y):
    length = math.hypot(1, DIAMOND)
    return x.abs() * (1 / length) + (y.abs() - 1) * (DIAMOND / length)


def cross(x, y):
    """The union of two bars: the nearer of both distances."""
    x, y = x.abs(), y.abs()
    flat = torch.maximum(x - 1, y - CROSS)
    upright = torch.maximum(x - CROSS, y - 1)
    return torch.minimum(flat, upright)


def star(x, y):
    """Five mirrors fold the plane into a tenth of the star; there its outline is one straight line."""
    outer = 1 / math.cos(math.radians(18))  # so that the star is 2 wide
    lift = outer * (1 - math.cos(math.radians(36))) / 2  # so that it is as far from the top as from the bottom
    cos, sin = math.cos(math.radians(36)), math.sin(math.radians(36))
    x, y = x.abs(), lift - y  # y now points up
    behind = (2 * (x * cos - y * sin)).clamp(min=0)  # twice as far as the point lies behind the mirror
    x, y = x - behind * cos, y + behind * sin
    behind = (-2 * (x * cos + y * sin)).clamp(min=0)
    x, y = (x + behind * cos).abs(), y + behind * sin
    edge_x, edge_y = STAR * outer * sin, STAR * outer * cos - outer  # from the tip (0, outer) to the inner corner beside it
    length = math.hypot(edge_x, edge_y)
    return (y - outer) * (edge_x / length) - x * (edge_y / length)


def ring(x, y):
    return ((x * x + y * y).sqrt() - (1 + RING) / 2).abs() - (1 - RING) / 2


def heart(x, y):
    """A square that stands on a corner, and a disc on each of its two upper sides."""
    disc = 2 - math.sqrt(2)  # its radius, half a side of the square
    away = math.sqrt(2) - 1  # the discs' centres from the square's, sideways and upwards; away + disc = 1
    x, y = x.abs(), y - (1 - 2 * away) / 2  # the square ends 2 · away below its centre, the discs 1 above
    standing = (x + y.abs()) * math.sqrt(0.5) - disc
    round_ = ((x - away) * (x - away) + (y + away) * (y + away)).sqrt() - disc
    return torch.minimum(standing, round_)


OUTLINES = {
    "circle": circle,
    "square": square,
    "triangle": triangle,
    "diamond": diamond,
    "cross": cross,
    "star": star,
    "ring": ring,
    "heart": heart,
}
