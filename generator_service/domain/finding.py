"""Findings: remarks on a result for a person, by code, with the affected region of the photo."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN_CODE = "unknown"
"""The code of a finding that an older release stored as a sentence."""

CODES: dict[str, str] = {
    "several_pictures": "the file holds several pictures and only one was used",
    "incomplete_file": "the JPEG file ends early; the picture is complete, or its last rows are missing",
    "unsupported_colours": "the photo's colour information is damaged or not supported; it was read as sRGB",
    "cmyk_without_profile": "a CMYK photo without a usable profile was converted as for offset print",
    "transparent_areas": "the photo has transparent areas that do not outline a product",
    "cluttered": "the backdrop is not plain",
    "product_small": "the product covers less than 1 % of the photo",
    "product_fills_frame": "the product covers nearly the whole photo",
    "product_touches_frame": "the product touches the photo's edge and may be cut off",
    "uncertain_outline": "two ways of finding the product disagree",
    "no_product_inside": "no product was found inside the visible part, so all of it was kept",
    "see_through": "the product is transparent or translucent",
    "white_on_white": "product and backdrop have nearly the same colour",
    "part_dropped": "a part of the photo that differs from the backdrop was left out of the result",
    "several_items": "there are several separate items",
    "enlarged": "the product was enlarged and looks soft",
    "border_not_exact": "the border is not exactly the background colour",
    "file_too_large": "no file within the market's size limit could be made",
    "hint_without_effect": "nothing in a region to keep differs from the backdrop around it",
    "engine_fallback": "the preferred engine was not used",
    "prompt_ignored": "the engine that made the picture follows no prompt",
    "unverified_weights": "the network's weights are not known by their checksum",
    "generated_cropped": "the generated picture cuts the product off",
    "generated_differs": "the generated picture shows another product",
    UNKNOWN_CODE: "stored by an older release; see the message",
}
"""Every code and its meaning. Codes are stable: clients choose texts by code and show the message for unknown codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A rectangle of the upright photo; each edge is a share, 0 to 1, of its width or height."""

    left: float
    top: float
    right: float
    """Above ``left``."""
    bottom: float
    """Above ``top``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A remark on a result that a person should check or know."""

    code: str
    """One of `CODES`, in lower_snake_case."""
    message: str
    """The problem and its remedy, in English."""
    region: Region | None = None
    """The affected region of the photo; None for the whole photo."""
