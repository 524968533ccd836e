"""Textured solids in y-up coordinates: bodies of revolution, tubes, boxes, blobs, and shapes from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image
from scipy.interpolate import PchipInterpolator

from tools.train.data.textures import Pixels

Doubles = NDArray[np.float64]
Mesh = Any
"""``trimesh.Trimesh``, which has no type stubs."""
Material = Any


def material(texture: Pixels, rng: np.random.Generator) -> Material:
    """Return a physically based material of random roughness; few are metal."""
    return trimesh.visual.material.PBRMaterial(
        baseColorTexture=Image.fromarray(texture),
        metallicFactor=float(rng.choice((0.0, 0.0, 0.0, 0.1, 0.6))),
        roughnessFactor=float(rng.uniform(0.15, 1.0)),
        doubleSided=True,
    )


def lathe(profile: Sequence[Sequence[float]] | Doubles, skin: Material, *, repeat: int = 1, sides: int = 56) -> Mesh:
    """Turn a profile of (radius, height) around the y axis; the texture repeats so often around it."""
    points = np.asarray(profile, np.float64)
    angles = np.linspace(0, 2 * np.pi, sides + 1)
    ones = np.ones(sides + 1)
    across, up = points[:, :1], points[:, 1:]
    vertices = np.stack((across * np.cos(angles), up * ones, across * np.sin(angles)), -1).reshape(-1, 3)
    lengths = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))))
    along = lengths / max(float(lengths[-1]), 1e-6)
    texture = np.stack((np.tile(angles / (2 * np.pi) * repeat, len(points)), np.repeat(along, sides + 1)), -1)
    return _mesh(vertices, _quads(len(points), sides), texture, skin)


def tube(path: Sequence[Sequence[float]] | Doubles, radius: float, skin: Material, *, sides: int = 10) -> Mesh:
    """Sweep a circle along a path of points in space."""
    points = np.asarray(path, np.float64)
    forward = _unit(np.gradient(points, axis=0))
    side = _unit(np.cross(forward, (0.3, 0.9, 0.2)))
    third = np.cross(forward, side)
    angles = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.cos(angles)[None, :, None] * side[:, None] + np.sin(angles)[None, :, None] * third[:, None]
    vertices = (points[:, None] + radius * ring).reshape(-1, 3)
    along = np.repeat(np.linspace(0, 4, len(points)), sides + 1)
    texture = np.stack((np.tile(angles / (2 * np.pi), len(points)), along), -1)
    return _mesh(vertices, _quads(len(points), sides), texture, skin)


def box(size: Sequence[float], skin: Material, at: Sequence[float] = (0.0, 0.0, 0.0)) -> Mesh:
    """Return a box of (width, height, depth) around a point, the texture on each face."""
    plain = trimesh.creation.box(size)
    plain.unmerge_vertices()
    texture = _projected(plain.vertices / np.asarray(size) + 0.5, plain.vertex_normals)
    return _mesh(plain.vertices + np.asarray(at), plain.faces, texture, skin)


def blob(
    radii: Sequence[float],
    skin: Material,
    rng: np.random.Generator,
    *,
    at: Sequence[float] = (0, 0, 0),
    dents: float = 0.08,
) -> Mesh:
    """Return an ellipsoid, dented by a few waves of the given height."""
    sphere = trimesh.creation.icosphere(3)
    directions = np.asarray(sphere.vertices, np.float64)
    waves = rng.normal(0, 1, (5, 3)) * rng.uniform(1, 4)
    height = 1 + dents * np.sin(directions @ waves.T + rng.uniform(0, 6, 5)).sum(1)
    around = np.arctan2(directions[:, 0], directions[:, 2]) / np.pi
    down = np.arccos(np.clip(directions[:, 1], -1, 1)) / np.pi
    vertices = directions * height[:, None] * np.asarray(radii) + np.asarray(at)
    return _mesh(vertices, sphere.faces, np.stack((around, down), -1), skin)


def ring(radius: float, thickness: float, skin: Material, *, at: Sequence[float] = (0, 0, 0)) -> Mesh:
    """Return a ring in the plane of x and y."""
    angles = np.linspace(0, 2 * np.pi, 48)
    path = np.stack((radius * np.cos(angles), radius * np.sin(angles), 0 * angles), 1) + np.asarray(at)
    return tube(path, thickness, skin)


def loaded(path: Path, skin: Material, rng: np.random.Generator) -> Mesh:
    """Return the shape of a file, turned at random, of unit size around the origin, in a texture of ours."""
    mesh = trimesh.load(path, force="mesh", skip_materials=True)
    mesh.apply_translation(-mesh.bounding_box.centroid)
    mesh.apply_scale(1 / max(mesh.extents))
    mesh.apply_transform(trimesh.transformations.random_rotation_matrix(rng.random(3)))
    if rng.random() < 0.7:
        mesh.unmerge_vertices()
    texture = _projected(mesh.vertices * rng.uniform(0.6, 2.0) + 0.5, mesh.vertex_normals)
    return _mesh(mesh.vertices, mesh.faces, texture, skin)


def smooth(points: Sequence[Sequence[float]] | Doubles, count: int = 40) -> Doubles:
    """Return ``count`` points of a curve through all points that doesn't overshoot (Fritsch and Carlson, 1980)."""
    given = np.asarray(points, np.float64)
    curve = PchipInterpolator(np.linspace(0, 1, len(given)), given)
    return np.asarray(curve(np.linspace(0, 1, count)), np.float64)


def turned(angle: float, axis: Sequence[float] | Doubles) -> Doubles:
    """Return the 4×4 matrix of a rotation by radians around an axis through the origin."""
    return np.asarray(trimesh.transformations.rotation_matrix(angle, axis), np.float64)


def _mesh(vertices: Doubles, faces: NDArray[np.int64], texture: Doubles, skin: Material) -> Mesh:
    visual = trimesh.visual.TextureVisuals(uv=texture, material=skin)
    return trimesh.Trimesh(vertices, faces, visual=visual, process=False)


def _quads(rows: int, sides: int) -> NDArray[np.int64]:
    """Return two triangles for each cell of a grid of ``rows`` by ``sides`` + 1 vertices."""
    first = (np.arange(rows - 1)[:, None] * (sides + 1) + np.arange(sides)[None]).reshape(-1)
    above = first + sides + 1
    return np.concatenate((np.stack((first, above, first + 1), 1), np.stack((first + 1, above, above + 1), 1)))


def _projected(points: Doubles, normals: Doubles) -> Doubles:
    """Return texture coordinates by projection along the axis that each normal is nearest to."""
    axis = np.abs(normals).argmax(1)
    across = np.where(axis == 0, points[:, 2], points[:, 0])
    return np.stack((across, np.where(axis == 1, points[:, 2], points[:, 1])), -1)


def _unit(vectors: Doubles) -> Doubles:
    return np.asarray(vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9), np.float64)
