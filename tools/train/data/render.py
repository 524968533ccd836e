"""Render products and scans with exact alpha, by OSMesa, without a screen."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from tools.train.data.products import Workshop
from tools.train.data.solids import Doubles, Mesh, turned
from tools.train.data.textures import Textures

os.environ.setdefault("PYOPENGL_PLATFORM", "osmesa")
np.infty = np.inf  # type: ignore[attr-defined]  # pyrender 0.1.45 still uses the name that numpy 2 dropped
import pyrender  # noqa: E402 - reads the platform when it is imported

Pixels = NDArray[np.uint8]

SIDE = 320
"""Longest side, in pixels, of written pictures."""
_RENDERED_SIDE = 560
_SMALLEST_AREA = 0.004
_POSES = 8
"""Pictures of each scan."""
_log = logging.getLogger(__name__)


class Camera:
    """Takes pictures of products from random sides in random light."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._renderer = pyrender.OffscreenRenderer(_RENDERED_SIDE, _RENDERED_SIDE)

    def shoot(self, parts: Sequence[Mesh], elevation: float | None = None) -> Pixels:
        """Return a 560×560×4 picture, sRGB and alpha 0 or 255, from ``elevation`` degrees or at random."""
        rng = self._rng
        scene = pyrender.Scene(bg_color=[0, 0, 0, 0], ambient_light=np.ones(3) * rng.uniform(0.15, 0.6))
        low = np.min([part.bounds[0] for part in parts], 0)
        high = np.max([part.bounds[1] for part in parts], 0)
        centre, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
        for part in parts:
            scene.add(pyrender.Mesh.from_trimesh(part, smooth=len(part.vertices) < 3 * len(part.faces)))
        ranges = ((-5, 15), (10, 45), (40, 85))
        low_angle, high_angle = ranges[int(rng.integers(len(ranges)))]
        up = math.radians(rng.uniform(low_angle, high_angle) if elevation is None else elevation)
        around, view = rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(20, 55))
        distance = radius / math.sin(view / 2) * 1.03
        direction = np.array([math.cos(up) * math.sin(around), math.sin(up), math.cos(up) * math.cos(around)])
        pose = looking(centre + distance * direction, centre, rng.normal(0, 0.12))
        scene.add(pyrender.PerspectiveCamera(view), pose=pose)
        for _ in range(int(rng.integers(1, 4))):
            towards = rng.normal(0, 1, 3)
            towards[1] = abs(towards[1]) + 0.3
            tint = np.clip(1 + rng.normal(0, 0.12) * np.array([1, 0, -1]), 0.6, 1.4)
            light = pyrender.DirectionalLight(color=tint, intensity=rng.uniform(1, 4.5))
            scene.add(light, pose=looking(centre + towards / np.linalg.norm(towards) * distance, centre, 0.0))
        colour, depth = self._renderer.render(scene)[:2]
        return np.dstack((colour[..., :3], (depth > 0).astype(np.uint8) * 255))


def looking(eye: Doubles, target: Doubles, roll: float) -> Doubles:
    """Return the 4×4 pose of a camera at ``eye`` that looks at ``target``, turned by ``roll`` radians."""
    back = (eye - target) / np.linalg.norm(eye - target)
    right = np.cross((0.0, 1.0, 0.0), back)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = right, np.cross(back, right), back, eye
    return np.asarray(pose @ turned(roll, (0, 0, 1)), np.float64)


def trimmed(picture: Pixels, side: int = SIDE) -> Pixels | None:
    """Crop an H×W×4 picture to its alpha and shrink it, antialiased, to a longest side; None if it is nearly empty."""
    solid = picture[..., 3] > 0
    if solid.mean() < _SMALLEST_AREA:
        return None
    rows, columns = np.nonzero(solid)
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    alpha = solid[box].astype(np.float32)
    colour = picture[box][..., :3].astype(np.float32) * alpha[..., None]
    scale = side / max(alpha.shape)
    size = (max(1, round(alpha.shape[1] * scale)), max(1, round(alpha.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(alpha, size, interpolation=method), np.float32)
    rgb = np.asarray(cv2.resize(colour, size, interpolation=method)) / np.maximum(small[..., None], 1e-3)
    return np.asarray(np.clip(np.dstack((rgb, small * 255)), 0, 255), np.uint8)


def render_products(out: Path, count: int, seed: int, photos: Sequence[Path], shapes: Sequence[Path]) -> None:
    """Write ``rSEED_NUMBER_KIND.webp`` of made-up products."""
    rng = np.random.default_rng(seed)
    workshop, camera = Workshop(rng, Textures(rng, photos), shapes), Camera(rng)
    kinds = workshop.kinds()
    names, weights = list(kinds), np.array([weight for _, weight in kinds.values()], np.float64)
    out.mkdir(parents=True, exist_ok=True)
    for number in track(range(count)):
        kind = str(rng.choice(names, p=weights / weights.sum()))
        parts = kinds[kind][0]()
        if rng.random() < 0.12 and kind != "furniture":
            lying = turned(rng.uniform(0, 2 * math.pi), rng.normal(0, 1, 3))
            for part in parts:
                part.apply_transform(lying)
        from_above = rng.uniform(25, 90) if kind == "plate" and rng.random() < 0.8 else None
        picture = trimmed(camera.shoot(parts, from_above))
        if picture is not None:
            Image.fromarray(picture).save(out / f"r{seed}_{number:05d}_{kind}.webp", quality=88, exact=True)


def render_scans(out: Path, seed: int, scans: Sequence[Path]) -> None:
    """Write ``FOLDER_NAME_POSE.webp`` of textured scans (OBJ or glTF), some upright, some of any pose."""
    rng = np.random.default_rng(seed)
    camera = Camera(rng)
    out.mkdir(parents=True, exist_ok=True)
    for scan in track(scans):
        for pose, picture in enumerate(_poses(scan, camera, rng)):
            Image.fromarray(picture).save(out / f"{scan.parent.name}_{scan.stem}_{pose}.webp", quality=88, exact=True)


def _poses(scan: Path, camera: Camera, rng: np.random.Generator) -> Iterator[Pixels]:
    opened = trimesh.load(scan)
    parts = opened.dump() if isinstance(opened, trimesh.Scene) else [opened]
    for pose in range(_POSES):
        upright = turned(float(rng.choice((0.0, -math.pi / 2))), (1, 0, 0))
        any_pose = turned(rng.uniform(0, 2 * math.pi), rng.normal(0, 1, 3))
        copies = [part.copy() for part in parts]
        for part in copies:
            part.apply_transform(any_pose if pose % 2 else upright)
        picture = trimmed(camera.shoot(copies))
        if picture is None:
            _log.warning("nothing to see of %s in pose %d", scan, pose)
        else:
            yield picture
