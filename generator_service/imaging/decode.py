"""From bytes to upright 8-bit sRGB pixels, whatever the file holds."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from generator_service.domain.errors import ImageRejected
from generator_service.imaging.inspect import DAMAGED, open_photo

_VISIBLE_ALPHA, _SOLID_ALPHA = 26, 230
_MEANINGFUL_SHARE = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A decoded photo, upright, in sRGB."""

    rgb: NDArray[np.uint8]
    """H×W×3."""
    alpha: NDArray[np.uint8] | None
    """H×W, where the file itself says what is product; None where it does not."""
    warnings: tuple[str, ...] = ()


def decode(data: bytes) -> Photo:
    """Decode a photo: first frame, EXIF orientation applied, colours converted to sRGB by their profile.

    Raises:
        ImageRejected: as `inspect_photo`, or with ``image_truncated`` where the pixels are not all there.

    """
    with open_photo(data) as image:
        warnings = []
        try:
            # Not `n_frames`: of some formats that reads through all of them.
            if getattr(image, "is_animated", False) and image.format != "MPO":
                warnings.append("The file holds several pictures; only the first was used.")
                image.seek(0)
            image.load()
        except DAMAGED as error:
            raise ImageRejected(
                "image_truncated", "the file breaks off or is damaged; upload it again, or save it anew"
            ) from error
        upright = _upright(image)
        profile = image.info.get("icc_profile")
        rgb, alpha = _to_srgb(upright, profile if isinstance(profile, bytes) else None)
    return Photo(rgb=rgb, alpha=alpha if alpha is not None and _meaningful(alpha) else None, warnings=tuple(warnings))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except DAMAGED:
        return image  # Unreadable EXIF says nothing about orientation.


def _to_srgb(image: Image.Image, profile: bytes | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    alpha = None
    if image.has_transparency_data:
        with_alpha = image if image.mode in {"RGBA", "LA"} else image.convert("RGBA")
        alpha = np.asarray(with_alpha.getchannel("A"), np.uint8)
        image = with_alpha.convert("L" if with_alpha.mode == "LA" else "RGB")
    elif image.mode.startswith("I") or image.mode == "F":
        image = _scaled_to_8_bits(image)
    elif image.mode not in {"L", "RGB", "CMYK"}:
        image = image.convert("RGB")
    return np.asarray(_by_profile(image, profile).convert("RGB"), np.uint8), alpha


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and floating point grey to 8 bits; Pillow's own conversion clips it to white."""
    values = np.nan_to_num(np.asarray(image, np.float32), posinf=0.0, neginf=0.0)
    if image.mode.startswith("I;16"):
        white = 65535.0
    else:
        # The file doesn't say where white is: the smallest customary range that holds the values.
        top = max(float(values.max()), 0.0)
        white = next((limit for limit in (1.0, 255.0, 65535.0) if top <= limit), top)
        if image.mode == "I":
            white = max(white, 255.0)
    return Image.fromarray(np.rint(np.clip(values / white, 0.0, 1.0) * 255.0).astype(np.uint8))


def _by_profile(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to sRGB by the embedded profile; without a usable one the values are taken as they are."""
    if profile is None:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return image
        converted = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, *DAMAGED):
        return image
    return image if converted is None else converted


def _meaningful(alpha: NDArray[np.uint8]) -> bool:
    """Tell a cut-out from an alpha channel that is only there, all opaque or all empty."""
    clear = float(np.mean(alpha < _SOLID_ALPHA))
    visible = float(np.mean(alpha > _VISIBLE_ALPHA))
    return clear > _MEANINGFUL_SHARE and visible > _MEANINGFUL_SHARE / 10
