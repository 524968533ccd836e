"""Each flaw of a cut-out is found by its own check, and sound cut-outs have none."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.domain.cutout_checks import MAX_TORN, cutout_checks
from generator_service.domain.placement import Placement
from generator_service.domain.report import Verdict
from generator_service.imaging.checks.evidence import gather
from generator_service.imaging.checks.fringe import FULL_SIDE, backdrop_share
from generator_service.imaging.checks.measure import measure_cutout
from generator_service.imaging.cutting.foreground import foreground
from generator_service.imaging.cutting.segment import shrink
from generator_service.imaging.output.compose import compose
from generator_service.imaging.render import render
from tests.unit.imaging.photos import Pixels, codes, encoded, silent, spec

HEIGHT, WIDTH = 480, 640
GREY = (206, 208, 212)
RED = (170, 40, 30)

Scene = tuple[Pixels, Pixels]
"""A photo and the alpha of its cut-out."""


def drawn(draw: Callable[[NDArray[np.uint8]], object]) -> Pixels:
    """Draw a smooth alpha."""
    large = np.zeros((HEIGHT * 4, WIDTH * 4), np.uint8)
    draw(large)
    return np.asarray(cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def photographed(
    alpha: Pixels,
    *,
    product: tuple[int, int, int] = RED,
    backdrop: tuple[int, int, int] = GREY,
    under: Pixels | None = None,
) -> Pixels:
    """Lay a product on a backdrop with falling light and noise; ``under`` darkens the backdrop first."""
    y, x = np.mgrid[0 : 1 : HEIGHT * 1j, 0 : 1 : WIDTH * 1j]
    photo: NDArray[np.float64] = np.array(backdrop) * (0.96 + 0.05 * x - 0.04 * y)[:, :, None]
    if under is not None:
        photo = photo * (1.0 - 0.4 * under[:, :, None] / 255.0)
    share = alpha[:, :, None] / 255.0
    photo = photo * (1 - share) + np.array(product) * (0.8 + 0.3 * x * y)[:, :, None] * share
    photo += np.random.default_rng(3).normal(0, 1.5, photo.shape)
    return np.asarray(np.clip(photo, 0, 255), np.uint8)


def circle(centre: tuple[int, int] = (320, 240), radius: int = 130, width: int = -1) -> Pixels:
    """Draw a disc, or a ring of a width."""
    x, y = centre
    return drawn(lambda a: cv2.circle(a, (x * 4, y * 4), radius * 4, 255, width if width < 0 else width * 4))


def disc() -> Scene:
    alpha = circle()
    return photographed(alpha), alpha


def disc_with_shadow() -> Scene:
    """A shadow in the photo that was cut away."""
    alpha = circle()
    fallen = cv2.GaussianBlur(np.roll(alpha, 24, axis=0), (0, 0), 14)
    return photographed(alpha, under=np.asarray(fallen, np.uint8)), alpha


def ring() -> Scene:
    alpha = circle(width=24)
    return photographed(alpha), alpha


def grid() -> Scene:
    """A mesh: many small openings that show the backdrop."""

    def bars(a: NDArray[np.uint8]) -> None:
        for at in range(0, 241, 24):
            cv2.rectangle(a, ((200 + at) * 4, 120 * 4), ((208 + at) * 4, 368 * 4), 255, -1)
            cv2.rectangle(a, (200 * 4, (120 + at) * 4), (448 * 4, (128 + at) * 4), 255, -1)

    alpha = drawn(bars)
    return photographed(alpha, product=(60, 60, 66)), alpha


def brush() -> Scene:
    """Bristles: a long, ragged outline that the photo shows."""

    def bristles(a: NDArray[np.uint8]) -> None:
        cv2.ellipse(a, (320 * 4, 240 * 4), (90 * 4, 60 * 4), 0, 0, 360, 255, -1)
        rng = np.random.default_rng(1)
        for angle in np.linspace(0, 2 * np.pi, 90):
            reach = rng.uniform(0.9, 1.25)
            tip = (round((320 + 120 * reach * np.cos(angle)) * 4), round((240 + 85 * reach * np.sin(angle)) * 4))
            cv2.line(a, (320 * 4, 240 * 4), tip, 255, 10)

    alpha = drawn(bristles)
    return photographed(alpha, product=(50, 40, 34)), alpha


def grey_box() -> Scene:
    """Neutral and flat as a shadow, and darker to its very edge."""
    alpha = drawn(lambda a: cv2.rectangle(a, (200 * 4, 120 * 4), (440 * 4, 380 * 4), 255, -1))
    return photographed(alpha, product=(150, 151, 154)), alpha


def on_clutter() -> Scene:
    alpha = circle()
    tiles = np.random.default_rng(5).integers(0, 255, (12, 16, 3)).astype(np.uint8)
    clutter = cv2.resize(tiles, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    share = alpha[:, :, None] / 255.0
    return np.rint(clutter * (1 - share) + np.array((250, 250, 250)) * share).astype(np.uint8), alpha


def pen_beside() -> Scene:
    """A second item that is part of the result."""
    alpha = cv2.max(
        circle((240, 240)), drawn(lambda a: cv2.rectangle(a, (440 * 4, 120 * 4), (452 * 4, 380 * 4), 255, -1))
    )
    return photographed(np.asarray(alpha, np.uint8), product=(30, 60, 120)), np.asarray(alpha, np.uint8)


@pytest.mark.parametrize(
    "scene",
    [disc, disc_with_shadow, ring, grid, brush, grey_box, on_clutter, pen_beside],
    ids=lambda scene: scene.__name__,
)
def test_sound_cut_out_passes_every_check(scene: Callable[[], Scene]) -> None:
    assert flaws(scene()) == {}


def torn() -> Scene:
    """The outline wanders through the product."""
    photo, alpha = disc()
    noise = cv2.resize(np.random.default_rng(2).normal(0, 1, (60, 80)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    depth = cv2.distanceTransform((alpha > 127).astype(np.uint8), cv2.DIST_L2, 5)
    return photo, np.where((depth > 0) & (depth < 14) & (noise > 0), 0, alpha).astype(np.uint8)


def blurred() -> Scene:
    photo, alpha = disc()
    return photo, np.asarray(cv2.GaussianBlur(alpha, (0, 0), 3), np.uint8)


def ghost() -> Scene:
    photo, alpha = disc()
    veil = cv2.GaussianBlur(circle((520, 120), 40), (0, 0), 5)
    return photo, np.maximum(alpha, (veil * 0.25).astype(np.uint8))


def holes() -> Scene:
    photo, alpha = disc()
    alpha = alpha.copy()
    for at in range(6):
        cv2.circle(alpha, (260 + 24 * at, 200 + 13 * at), 5, 0, -1)
    return photo, alpha


def kept_opening() -> Scene:
    photo, _ = ring()
    return photo, circle(radius=142)


def shadow() -> Scene:
    alpha = circle()
    fallen = np.asarray(cv2.GaussianBlur(np.roll(alpha, 30, axis=0), (0, 0), 10), np.uint8)
    return photographed(alpha, under=fallen), np.maximum(alpha, np.where(fallen > 40, 255, 0).astype(np.uint8))


def lost() -> Scene:
    photo, _ = pen_beside()
    return photo, circle((240, 240))


@pytest.mark.parametrize(
    ("scene", "check"),
    [
        (torn, "torn"),
        (blurred, "edge_width"),
        (ghost, "ghosts"),
        (holes, "holes"),
        (kept_opening, "openings"),
        (shadow, "shadow"),
        (lost, "lost"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_flaw_is_found_by_its_own_check(scene: Callable[[], Scene], check: str) -> None:
    assert flaws(scene()).get(check) is Verdict.WARNED


def test_haze_as_large_as_a_third_of_the_product_fails() -> None:
    photo, alpha = disc()
    assert flaws((photo, np.maximum(alpha, np.uint8(40))))["ghosts"] is Verdict.FAILED


def test_thin_wires_of_a_large_photo_are_no_ghosts() -> None:
    alpha = np.zeros((2000, 2400), np.uint8)
    for at in range(400, 1601, 200):
        cv2.line(alpha, (400, at), (2000, at + 60), 255, 2, cv2.LINE_AA)
    photo = np.where(alpha[:, :, None] > 127, np.uint8(40), np.uint8(210)) * np.ones(3, np.uint8)
    assert "ghosts" not in flaws((photo, alpha))


def test_on_clutter_only_the_outline_is_judged() -> None:
    photo, alpha = on_clutter()
    measured = measure_cutout(gather(photo, alpha))
    assert (measured.openings, measured.shadow, measured.lost) == (None, None, None)


def test_what_is_lost_is_located_and_reported_as_a_finding() -> None:
    measured = measure_cutout(gather(*lost()))
    assert measured.lost_region is not None
    region = measured.lost_region
    assert [region.left, region.right] == pytest.approx([440 / WIDTH, 452 / WIDTH], abs=0.05)
    assert [region.top, region.bottom] == pytest.approx([120 / HEIGHT, 380 / HEIGHT], abs=0.08)


@pytest.mark.parametrize("backdrop", [(200, 30, 40), (30, 90, 200), (40, 40, 44)], ids=["red", "blue", "dark"])
def test_rim_of_the_backdrops_colour_is_a_fringe_and_a_clean_edge_is_not(backdrop: tuple[int, int, int]) -> None:
    alpha = circle(radius=150)
    photo = photographed(alpha, product=(235, 226, 190), backdrop=backdrop)
    wide = np.asarray(cv2.dilate(alpha, np.ones((7, 7), np.uint8)), np.uint8)
    kept, clean = fringe(photo, wide, photo), fringe(photo, alpha, foreground(photo, alpha))
    assert kept is not None
    assert clean is not None
    assert kept > 0.5
    assert clean < 0.1


def test_product_of_the_backdrops_colour_has_no_measurable_fringe() -> None:
    backdrop = photographed(np.zeros((HEIGHT, WIDTH), np.uint8))
    assert fringe(backdrop, circle(), backdrop) is None


def test_product_without_a_solid_pixel_has_no_measurable_fringe() -> None:
    alpha = circle() // 2
    photo = photographed(alpha)
    assert fringe(photo, alpha, photo) is None


def test_report_of_a_rendered_photo_has_the_checks_unless_the_file_came_cut_out() -> None:
    photo, alpha = disc()
    names = {"torn", "edge_width", "ghosts", "holes", "openings", "shadow", "lost", "fringe"}
    made = render(encoded(photo), spec(), silent)
    assert names <= {check.name for check in made.report.checks}
    assert "part_dropped" not in codes(made.findings)
    own = render(encoded(np.dstack([photo, alpha])), spec(), silent)
    assert names.isdisjoint({check.name for check in own.report.checks})


def flaws(scene: Scene) -> dict[str, Verdict]:
    """Return the checks of a cut-out that did not pass."""
    checks = cutout_checks(measure_cutout(gather(*scene)))
    return {check.name: check.verdict for check in checks if check.verdict is not Verdict.PASSED}


def fringe(photo: Pixels, alpha: Pixels, colours: Pixels) -> float | None:
    """Compose a cut-out on white and measure its fringe."""
    canvas = compose(colours, alpha, size_px=800, fill=0.85, background=(255, 255, 255))
    x, y = canvas.offset
    placement = Placement(scale=canvas.enlargement, x=x, y=y, photo_width=WIDTH, photo_height=HEIGHT)
    return backdrop_share(shrink(canvas.pixels, FULL_SIDE), canvas.alpha, gather(photo, alpha), placement)


def test_corners_and_thin_parts_in_nearly_the_backdrops_colour_are_not_ragged() -> None:
    """A smoothed outline loses them, so they deviate from it, but to one side only."""

    def pan(alpha: NDArray[np.uint8]) -> None:
        cv2.circle(alpha, (200 * 4, 240 * 4), 90 * 4, 255, -1)
        cv2.rectangle(alpha, (280 * 4, 237 * 4), (600 * 4, 243 * 4), 255, -1)

    alpha = drawn(pan)
    photo = photographed(alpha, product=(212, 214, 218))
    assert measure_cutout(gather(photo, alpha)).torn <= MAX_TORN
