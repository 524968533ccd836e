"""Made-up products, each a list of textured solids: what the rendered cut-outs show."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tools.train.data.solids import Material, Mesh, blob, box, lathe, loaded, material, ring, smooth, tube, turned
from tools.train.data.textures import Textures

Point = tuple[float, float, float]
Bar = tuple[Point, Point]


class Workshop:
    """Makes products from a random generator, textures, and shape files (which may be none)."""

    def __init__(self, rng: np.random.Generator, textures: Textures, shapes: Sequence[Path]) -> None:
        self._rng, self._textures, self._shapes = rng, textures, shapes

    def kinds(self) -> dict[str, tuple[Callable[[], list[Mesh]], float]]:
        """Return each kind's maker and how often it is drawn; the kind ends the picture's name."""
        made: dict[str, tuple[Callable[[], list[Mesh]], float]] = {
            "bottle": (self.bottle, 14), "cup": (self.cup, 10), "plate": (self.plate, 12), "carton": (self.carton, 14),
            "furniture": (self.furniture, 8), "wires": (self.wires, 8), "chain": (self.chain, 8),
            "wheel": (self.wheel, 6), "rack": (self.rack, 6), "plush": (self.plush, 10), "lamp": (self.lamp, 5),
            "pile": (self.pile, 6), "stack": (self.stack, 8),
        }  # fmt: skip
        if self._shapes:
            made["shape"] = (lambda: [self._shape()], 16)
        return made

    def bottle(self) -> list[Mesh]:
        """Make a bottle with a cap; some have a handle or a pump."""
        u = self._u
        width, height = u(0.18, 0.5), u(0.9, 1.6)
        neck, cap = width * u(0.2, 0.6), u(0.1, 0.45)
        shoulder = height * u(0.5, 0.75)
        profile = [(0, 0), (width * 0.9, 0), (width, 0.04), (width * u(0.85, 1.1), shoulder * 0.5), (width, shoulder)]
        profile += [(neck, shoulder + (height - shoulder) * 0.6), (neck, height)]
        parts = [lathe(smooth(profile), self._skin(), repeat=int(self._rng.integers(1, 4)))]
        wide, top = neck * u(1.0, 1.5), height + cap * 0.6
        parts.append(lathe([(wide, height - 0.02), (wide, top), (0, top)], self._skin("plain")))
        if self._odds(0.3):
            handle = [(0.95, 0.9), (1.6, 0.8), (1.5, 0.35), (0.95, 0.3)]
            parts.append(
                tube(smooth([(width * x, shoulder * y, 0) for x, y in handle]), width * 0.13, self._skin("plain"))
            )
        if self._odds(0.2):
            parts.append(box((width * 1.2, 0.06, 0.1), self._skin("plain"), (width * 0.4, top + 0.03, 0)))
        return parts

    def cup(self) -> list[Mesh]:
        """Make a cup, most with a handle, some filled or on a saucer."""
        u = self._u
        width, height, skin, wall = u(0.3, 0.6), u(0.35, 1.0), self._skin(), 0.04
        base = width * u(0.55, 1)
        outside = smooth([(0, 0), (base, 0), ((base + width) / 2 * u(0.9, 1.15), height * 0.5), (width, height)])
        inside = outside[::-1] * (1 - wall / width, 1) + (0, wall)
        parts = [lathe(np.concatenate((outside, [(width - wall, height)], inside)), skin, repeat=2)]
        if self._odds(0.7):
            ear = [(width * 0.95, height * 0.85, 0), (width * u(1.3, 1.7), height * 0.75, 0)]
            ear += [(width * u(1.2, 1.6), height * 0.3, 0), (base, height * 0.2, 0)]
            parts.append(tube(smooth(ear), u(0.035, 0.08), skin))
        if self._odds(0.4):
            parts.append(lathe([(0, height * 0.85), (width * 0.93, height * 0.85)], self._skin("mottled")))
        if self._odds(0.3):
            parts.append(lathe(smooth([(0, 0), (width * 1.3, 0.02), (width * 1.7, 0.1)]), skin))
        return parts

    def plate(self) -> list[Mesh]:
        """Make a plate or bowl, most with food."""
        u = self._u
        deep = u(0.06, 0.5)
        profile = smooth([(0, 0.02), (0.45, 0.02), (0.62, deep * 0.4), (0.85, deep * u(0.6, 0.95)), (1.0, deep)])
        inside = profile[::-1] * (0.97, 1) - (0, 0.035)
        parts = [
            lathe(np.concatenate((profile, [(1.0, deep - 0.03)], inside)), self._skin("plain", "mottled", "photo"))
        ]
        if self._odds(0.75):
            for _ in range(int(self._rng.integers(2, 16))):
                radius, angle, far = u(0.06, 0.34), u(0, 2 * math.pi), u(0, 0.5)
                at = (far * math.cos(angle), deep * 0.4 + radius * 0.3, far * math.sin(angle))
                radii = (radius, radius * u(0.3, 1), radius * u(0.5, 1.4))
                parts.append(blob(radii, self._skin("photo", "mottled", "plain"), self._rng, at=at, dents=0.1))
        return parts

    def carton(self) -> list[Mesh]:
        """Make a box; some have a screw cap or a gable, or stand on others."""
        u = self._u
        width, height, depth = u(0.2, 1), u(0.3, 1.3), u(0.1, 0.7)
        body = box((width, height, depth), self._skin("label", "photo", "plain"))
        parts = [body]
        if self._odds(0.3):
            cap = lathe([(0.08, 0), (0.08, 0.07), (0, 0.07)], self._skin("plain"))
            cap.apply_translation((u(-0.2, 0.2) * width, height / 2, 0))
            parts.append(cap)
        if self._odds(0.25):
            vertices = body.vertices.copy()
            vertices[vertices[:, 1] > 0, 2] *= u(0.05, 0.5)
            body.vertices = vertices
        if self._odds(0.15):
            for level in range(int(self._rng.integers(1, 5))):
                at = (u(-0.05, 0.05), -height * (0.6 + level * 0.2), 0)
                parts.append(box((width, height * 0.2, depth), self._skin(), at))
        return parts

    def furniture(self) -> list[Mesh]:
        """Make a table, stool or chair."""
        u = self._u
        width, depth, height, thick = u(0.5, 1.4), u(0.4, 0.9), u(0.3, 1), u(0.03, 0.08)
        skin = self._skin("mottled", "plain", "photo")
        parts = [box((width, thick * 1.5, depth), skin)]
        for x in (-0.45, 0.45):
            for z in (-0.43, 0.43):
                splay = u(0.8, 1.1)
                leg = [(x * width, 0, z * depth), (x * width * splay, -height, z * depth * splay)]
                parts.append(tube(leg, thick * 0.5, skin, sides=8))
        if self._odds(0.6):
            back = u(0.3, 1)
            if self._odds(0.4):
                parts.append(box((width, back, thick), skin, (0, back / 2, -depth * 0.47)))
            else:
                for x in np.linspace(-0.45, 0.45, int(self._rng.integers(2, 7))):
                    bar = [(x * width, 0, -depth * 0.45), (x * width, back, -depth * 0.5)]
                    parts.append(tube(bar, thick * 0.35, skin, sides=8))
                parts.append(box((width, thick * 1.5, thick), skin, (0, back, -depth * 0.5)))
        if self._odds(0.3):
            parts.append(blob((width * 0.4, 0.15, depth * 0.4), self._skin(), self._rng, at=(0, 0.1, 0), dents=0.03))
        return parts

    def wires(self) -> list[Mesh]:
        """Make a hanger, scissors or a whisk."""
        u = self._u
        skin, thick = self._skin("plain", "mottled"), u(0.012, 0.06)
        kind = int(self._rng.integers(3))
        if kind == 0:
            corners = self._rng.uniform(-1, 1, (int(self._rng.integers(4, 8)), 3)) * (1, 1, 0.2)
            return [tube(smooth(np.concatenate((corners, corners[:1])), 80), thick, skin)]
        if kind == 1:
            parts = []
            for side in (-1, 1):
                parts.append(ring(0.23, 0.05, skin, at=(side * 0.25, -0.6, 0)))
                blade = box((0.1, 1.3, 0.03), self._skin("plain"), (0, 0.25, side * 0.02))
                blade.apply_transform(turned(side * u(0.1, 0.4), (0, 0, 1)))
                parts.append(blade)
            return parts
        along = np.linspace(0, math.pi, 30)
        parts = [tube([(0, 0, 0), (0, -0.45, 0), (0, -0.9, 0)], 0.07, self._skin("plain"))]
        for angle in np.linspace(0, math.pi, int(self._rng.integers(5, 12))):
            bow = 0.35 * np.sin(along)
            loop = np.stack((bow * math.cos(angle), 0.9 * along / math.pi, bow * math.sin(angle)), 1)
            parts.append(tube(loop, thick * 0.5, skin, sides=6))
        return parts

    def chain(self) -> list[Mesh]:
        """Make a chain or a necklace, with or without a pendant, or a few loose rings."""
        u = self._u
        skin = self._skin("plain", "mottled")
        if self._odds(0.35):
            rings = []
            for _ in range(int(self._rng.integers(1, 6))):
                loop = ring(u(0.2, 0.5), u(0.015, 0.1), skin)
                loop.apply_transform(turned(u(0, math.pi), self._rng.normal(0, 1, 3)))
                loop.apply_translation(self._rng.uniform(-0.4, 0.4, 3))
                rings.append(loop)
            return rings
        links = int(self._rng.integers(18, 42))
        height, parts = u(0.8, 1.6), []
        for link, angle in enumerate(np.linspace(0, 2 * math.pi, links, endpoint=False)):
            loop = ring(1.25 * math.pi / links, u(0.016, 0.022), skin)
            loop.apply_transform(turned(math.pi / 2 * (link % 2), (1, 0, 0)))
            loop.apply_transform(turned(angle + math.pi / 2, (0, 0, 1)))
            loop.apply_translation((math.cos(angle), height * math.sin(angle), 0))
            parts.append(loop)
        if self._odds(0.6):
            size = u(0.08, 0.25)
            parts.append(
                blob((size, size * u(0.6, 1.6), size * 0.5), self._skin(), self._rng, at=(0, -height - size, 0))
            )
        return parts

    def wheel(self) -> list[Mesh]:
        """Make a wheel with spokes, or two joined by a frame."""
        u = self._u
        skin, rim = self._skin("plain", "mottled"), u(0.04, 0.14)
        spokes = int(self._rng.integers(3, 14))

        def one(x: float) -> list[Mesh]:
            parts = [ring(0.6, rim, self._skin("plain"), at=(x, 0, 0)), ring(0.06, 0.05, skin, at=(x, 0, 0))]
            for angle in np.linspace(0, 2 * math.pi, spokes, endpoint=False):
                end = (x + 0.6 * math.cos(angle), 0.6 * math.sin(angle), 0)
                parts.append(tube([(x, 0, 0), end], 0.012 if spokes > 7 else 0.035, skin, sides=6))
            return parts

        if self._odds(0.6):
            return one(0)
        frame = tube([(-0.9, 0, 0), (-0.3, 0.8, 0), (0.6, 0.8, 0), (0.9, 0, 0), (0, 0, 0), (-0.3, 0.8, 0)], 0.04, skin)
        return [*one(-0.9), *one(0.9), frame]

    def rack(self) -> list[Mesh]:
        """Make a basket or a rack of wire, or a bag's body with a strap."""
        u = self._u
        skin = self._skin("plain", "mottled")
        width, height, depth = u(0.5, 1.2), u(0.3, 1.0), u(0.2, 0.7)
        if self._odds(0.35):
            strap = smooth(
                [
                    (-width / 2, height / 2, 0),
                    (-width * 0.4, height * 1.6, 0),
                    (width * 0.4, height * 1.6, 0),
                    (width / 2, height / 2, 0),
                ]
            )
            return [box((width, height, depth * 0.5), self._skin()), tube(strap, u(0.02, 0.05), skin)]
        bars: list[Bar] = [((x, 0.0, -depth / 2), (x, 0.0, depth / 2)) for x in np.linspace(-width / 2, width / 2, 6)]
        for z in (-depth / 2, depth / 2):
            upright = np.linspace(-width / 2, width / 2, int(self._rng.integers(4, 12)))
            level = np.linspace(0, height, int(self._rng.integers(2, 7)))
            bars += [((x, 0, z), (x, height, z)) for x in upright]
            bars += [((-width / 2, y, z), (width / 2, y, z)) for y in level]
        thick = u(0.01, 0.025)
        return [tube(bar, thick, skin, sides=6) for bar in bars]

    def plush(self) -> list[Mesh]:
        """Make a toy animal."""
        u = self._u
        fur, other = self._skin("mottled", "plain", "photo"), self._skin("mottled", "plain")
        dents, head = u(0.02, 0.06), u(0.3, 0.5)

        def ball(radii: tuple[float, float, float], at: tuple[float, float, float], skin: Material = fur) -> Mesh:
            return blob(radii, skin, self._rng, at=at, dents=dents)

        parts = [ball((0.5, 0.6, 0.42), (0, 0, 0)), ball((head, head, head * 0.9), (0, 0.55 + head * 0.7, 0.05))]
        ear = u(0.1, 0.45)
        for side in (-1, 1):
            parts.append(ball((0.12, ear, 0.08), (side * head * 0.7, 0.65 + head * 1.6, 0)))
            parts.append(ball((0.16, 0.4, 0.16), (side * 0.5, 0.15, 0.1), fur if self._odds(0.7) else other))
            parts.append(ball((0.18, 0.42, 0.2), (side * 0.28, -0.65, 0.15)))
            parts.append(
                ball((0.06, 0.07, 0.05), (side * head * 0.4, 0.62 + head * 0.8, head * 0.85), self._skin("plain"))
            )
        parts.append(ball((0.14, 0.1, 0.12), (0, 0.55 + head * 0.55, head * 0.9), other))
        if self._odds(0.5):
            parts.append(lathe(smooth([(0.52, -0.35), (0.6, 0), (0.45, 0.4)]), self._skin()))
        return parts

    def lamp(self) -> list[Mesh]:
        """Make a lamp with a shade."""
        u = self._u
        height = u(0.6, 1.5)
        foot = smooth([(0, 0), (u(0.2, 0.4), 0.02), (0.08, 0.12), (u(0.03, 0.25), height * 0.5), (0.03, height)])
        shade = [(u(0.3, 0.6), height * 0.8), (u(0.1, 0.5), height * 1.25)]
        return [lathe(foot, self._skin()), lathe(shade, self._skin("plain", "stripes", "mottled"))]

    def pile(self) -> list[Mesh]:
        """Make two to four things of one kind, side by side."""
        make = [self.bottle, self.carton, self.cup][int(self._rng.integers(3))]
        parts = []
        for index in range(int(self._rng.integers(2, 5))):
            for part in make():
                part.apply_translation((index * self._u(0.6, 0.9), 0, self._u(-0.3, 0.3)))
                parts.append(part)
        return parts

    def stack(self) -> list[Mesh]:
        """Make a thing of two to four shapes on one axis, like trophies, tools and gadgets."""
        u = self._u
        parts, top = [], 0.0
        for _ in range(int(self._rng.integers(2, 5))):
            kind = int(self._rng.integers(4 if self._shapes else 3))
            if kind == 0:
                part = blob((u(0.2, 0.5), u(0.2, 0.5), u(0.2, 0.5)), self._skin(), self._rng)
            elif kind == 1:
                part = box((u(0.2, 1), u(0.1, 0.7), u(0.2, 0.8)), self._skin())
            elif kind == 2:
                radii = self._rng.uniform(0.05, 0.5, 5)
                part = lathe(smooth(np.stack((radii, np.linspace(0, u(0.3, 1), 5)), 1)), self._skin())
            else:
                part = self._shape()
            part.apply_translation((0, top - part.bounds[0][1], 0))
            top = float(part.bounds[1][1]) * u(0.85, 1)
            parts.append(part)
        return parts

    def _shape(self) -> Mesh:
        return loaded(self._shapes[int(self._rng.integers(len(self._shapes)))], self._skin(), self._rng)

    def _skin(self, *textures: str) -> Material:
        return material(self._textures.draw(*textures), self._rng)

    def _u(self, low: float, high: float) -> float:
        return float(self._rng.uniform(low, high))

    def _odds(self, odds: float) -> bool:
        return bool(self._rng.random() < odds)
