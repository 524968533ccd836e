"""Colours are rendered as the file defines them, in every encoding; files are made from sRGB by published numbers."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from generator_service.imaging.source.cmyk import to_srgb as cmyk_to_srgb
from generator_service.imaging.source.colour import BT2020, DISPLAY_P3, Encoding, Transfer, to_srgb
from generator_service.imaging.source.decode import decode
from tests.support.image_files import png_file, with_png_chunks
from tests.unit.imaging.photos import codes, encoded

Floats = NDArray[np.float64]

TO_P3 = np.array(((0.8225, 0.1774, 0.0), (0.0332, 0.9669, 0.0), (0.0171, 0.0724, 0.9108)))
TO_2020 = np.array(((0.6274, 0.3293, 0.0433), (0.0691, 0.9195, 0.0114), (0.0164, 0.0880, 0.8956)))
TO_ADOBE = np.array(((0.7152, 0.2848, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0412, 0.9588)))
P3, BT_2020, SRGB_CURVE, LINEAR, PQ, HLG = 12, 9, 13, 8, 16, 18
SHARES = (8, 24)
"""Patches down and across."""


def patches() -> NDArray[np.uint8]:
    """Draw 192 colours, 16 pixels wide each, greys and black and white among them."""
    steps = np.linspace(0, 255, 4).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    greys = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[:, None], 3, axis=1)
    soft = (cube // 3 + 90).astype(np.uint8)
    colours = np.concatenate((cube, greys, soft)).reshape(*SHARES, 3)
    return np.repeat(np.repeat(colours, 16, axis=0), 16, axis=1)


PATCHES = patches()
LIGHT = np.where(PATCHES / 255.0 <= 0.04045, PATCHES / 255.0 / 12.92, ((PATCHES / 255.0 + 0.055) / 1.055) ** 2.4)


def srgb_curve(light: Floats) -> Floats:
    return np.asarray(np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055))


def pq_curve(light: Floats, white: float = 203.0) -> Floats:
    power = np.maximum(light * white / 10_000.0, 0.0) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1.0 + 18.6875 * power)) ** 78.84375)


def hlg_curve(light: Floats) -> Floats:
    display = light * 0.203
    luminance = np.maximum(display @ np.array((0.2627, 0.6780, 0.0593)), 1e-9)
    scene = display * (luminance ** (1 / 1.2 - 1.0))[:, :, None]
    low = np.sqrt(3.0 * np.maximum(scene, 0.0))
    high = 0.17883277 * np.log(np.maximum(12.0 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.asarray(np.where(scene <= 1 / 12, low, high))


def eight(values: Floats) -> NDArray[np.uint8]:
    return np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)


def sixteen(values: Floats, *chunks: tuple[bytes, bytes]) -> bytes:
    """Make a 16-bit PNG of H×W×3, or of H×W grey values."""
    samples = np.rint(np.clip(values, 0.0, 1.0) * 65535.0).astype(">u2")
    kind = 2 if samples.ndim == 3 else 0
    return png_file(samples.shape[1], samples.shape[0], 16, kind, samples.tobytes(), *chunks)


def cicp(primaries: int, transfer: int, matrix: int = 0, full_range: int = 1) -> tuple[bytes, bytes]:
    return b"cICP", bytes((primaries, transfer, matrix, full_range))


def gama(exponent: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(exponent * 100_000))


def chrm(*values: float) -> tuple[bytes, bytes]:
    """White, red, green, blue."""
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values))


ADOBE_CHRM = chrm(0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
P3_CHRM = chrm(0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def png(values: Floats, *chunks: tuple[bytes, bytes]) -> bytes:
    return with_png_chunks(encoded(eight(values)), *chunks)


def iccp(profile: bytes) -> tuple[bytes, bytes]:
    return b"iCCP", b"profile\0\0" + zlib.compress(profile)


def check(data: bytes, tolerance: int, *, darkest: int = 0) -> None:
    """Compare the file with the patches; ``darkest`` skips those that 8 bits of its encoding can't distinguish."""
    photo = decode(data)
    assert photo.rgb.shape == PATCHES.shape
    assert photo.findings == ()
    seen = PATCHES.max(axis=2) >= darkest
    difference = np.abs(photo.rgb.astype(int) - PATCHES)
    assert difference[seen].max() <= tolerance


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [(b"sRGB", b"\0")],
        [gama(0.45455)],
        [gama(0.45455), chrm(0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)],
        [cicp(1, 13)],
        [cicp(1, 1)],
        [cicp(2, 2)],
        [(b"sRGB", b"\0"), gama(1.0), P3_CHRM],
    ],
)
def test_png_srgb_stays_as_it_is(chunks: list[tuple[bytes, bytes]]) -> None:
    check(png(PATCHES / 255.0, *chunks), 0)


def test_png_gamma_1() -> None:
    check(png(LIGHT, gama(1.0)), 3, darkest=130)
    check(sixteen(LIGHT, gama(1.0)), 1)
    check(sixteen(LIGHT, cicp(1, LINEAR)), 1)


def test_png_gamma_of_grey() -> None:
    grey = np.linspace(0.0, 1.0, 256)[None].repeat(16, axis=0)
    light = np.where(grey <= 0.04045, grey / 12.92, ((grey + 0.055) / 1.055) ** 2.4)
    photo = decode(sixteen(light, gama(1.0), P3_CHRM))
    assert np.abs(photo.rgb.astype(int) - np.arange(256)[None, :, None]).max() <= 1


def test_png_gamma_and_chromaticities() -> None:
    adobe = np.clip(LIGHT @ TO_ADOBE.T, 0.0, 1.0) ** (1 / 2.2)
    check(sixteen(adobe, gama(1 / 2.4), ADOBE_CHRM), 60)  # Another exponent than the one used to make the file.
    check(sixteen(np.clip(LIGHT @ TO_ADOBE.T, 0.0, 1.0) ** (1 / 1.8), gama(1 / 1.8), ADOBE_CHRM), 2)
    check(sixteen(srgb_curve(LIGHT @ TO_P3.T), P3_CHRM), 2)


@pytest.mark.parametrize("deep", [False, True])
def test_png_cicp_display_p3(deep: bool) -> None:
    values = srgb_curve(LIGHT @ TO_P3.T)
    check(sixteen(values, cicp(P3, SRGB_CURVE)) if deep else png(values, cicp(P3, SRGB_CURVE)), 2 if deep else 4)


def test_png_cicp_narrow_range() -> None:
    check(png(np.asarray((PATCHES * (219.0 / 255.0) + 16.0) / 255.0), cicp(1, 13, full_range=0)), 1)


def test_png_cicp_bt2020() -> None:
    check(sixteen(srgb_curve(LIGHT @ TO_2020.T), cicp(BT_2020, 1)), 2)


@pytest.mark.parametrize("curve", ["pq", "hlg"])
def test_png_cicp_hdr_of_an_ordinary_scene_is_not_washed_out(curve: str) -> None:
    light = LIGHT @ TO_2020.T
    values, code = (pq_curve(light), PQ) if curve == "pq" else (hlg_curve(light), HLG)
    check(sixteen(values, cicp(BT_2020, code)), 3)
    # With 8 bits, the steps of the encoding are coarser than those of sRGB.
    coarse = decode(png(values, cicp(BT_2020, code)))
    assert np.abs(coarse.rgb.astype(int) - PATCHES).mean() < 2


def test_png_cicp_hdr_highlights_are_rolled_off() -> None:
    light = np.repeat(np.linspace(0.0, 1.0, 200)[None, :, None] ** 2 * 4.0, 32, axis=0).repeat(3, axis=2)
    rgb = decode(sixteen(pq_curve(light), cicp(1, PQ))).rgb.astype(int)
    row = rgb[0, :, 0]
    ordinary = light[0, :, 0] <= 0.7
    assert np.abs(row[ordinary] - 255.0 * srgb_curve(light[0, ordinary, 0])).max() <= 2
    assert (np.diff(row) >= 0).all()
    assert row[-1] >= 254
    assert len(np.unique(row[~ordinary])) > 15  # Not clipped.
    assert np.ptp(rgb, axis=2).max() == 0


def test_png_precedence() -> None:
    p3 = srgb_curve(LIGHT @ TO_P3.T)
    check(png(p3, cicp(P3, SRGB_CURVE), iccp(SRGB_PROFILE), gama(1.0)), 4)
    check(png(PATCHES / 255.0, iccp(SRGB_PROFILE), gama(1.0), P3_CHRM), 0)


@pytest.mark.parametrize(
    ("chunks", "named"),
    [
        ([cicp(3, 13)], "primaries 3"),
        ([cicp(1, 10)], "transfer 10"),
        ([cicp(1, 13, matrix=5)], "matrix 5"),
        ([gama(0.0)], "gAMA 0"),
        ([chrm(0.3127, 0.3290, 0.64, 0.33, 0.64, 0.33, 0.15, 0.06)], "on a line"),
        ([chrm(0.3127, 0.3290, 0.64, 0.0, 0.3, 0.6, 0.15, 0.06)], "no luminance"),
        ([(b"iCCP", b"profile\0\0" + zlib.compress(b"no profile"))], "damaged ICC profile"),
    ],
)
def test_png_colour_that_is_not_supported_warns(chunks: list[tuple[bytes, bytes]], named: str) -> None:
    photo = decode(png(PATCHES / 255.0, *chunks))
    assert (photo.rgb == PATCHES).all()
    (finding,) = photo.findings
    assert finding.code == "unsupported_colours"
    assert named in finding.message


def heif(values: Floats, primaries: int, transfer: int) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(eight(values))).save(
        buffer,
        quality=-1,
        chroma=444,
        matrix_coefficients=0,
        color_primaries=primaries,
        transfer_characteristics=transfer,
        full_range_flag=1,
    )
    return buffer.getvalue()


def avif(values: Floats, primaries: int, transfer: int) -> bytes:
    data = bytearray(encoded(eight(values), "AVIF", quality=100, subsampling="4:4:4"))
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = struct.pack(">HH", primaries, transfer)
    return bytes(data)


def check_lossy(data: bytes) -> None:
    photo = decode(data)
    assert photo.findings == ()
    middles = np.s_[8::16, 8::16]
    difference = np.abs(photo.rgb[middles].astype(int) - PATCHES[middles])
    assert difference.max() <= 8
    assert difference.mean() <= 1.5


@pytest.mark.parametrize("write", [heif, avif])
def test_nclx_codes(write: object) -> None:
    assert callable(write)
    check_lossy(write(PATCHES / 255.0, 1, 13))
    check_lossy(write(srgb_curve(LIGHT @ TO_P3.T), P3, SRGB_CURVE))
    check_lossy(write(srgb_curve(LIGHT @ TO_2020.T), BT_2020, 14))
    unsupported = decode(write(PATCHES / 255.0, 1, 10))
    assert ["transfer 10" in finding.message for finding in unsupported.findings] == [True]


@pytest.mark.parametrize("write", [heif, avif])
def test_nclx_hdr(write: object) -> None:
    assert callable(write)
    photo = decode(write(pq_curve(LIGHT @ TO_2020.T), BT_2020, PQ))
    middles = np.s_[8::16, 8::16]
    difference = np.abs(photo.rgb[middles].astype(int) - PATCHES[middles])
    assert difference[PATCHES[middles].max(axis=2) > 100].mean() < 6


def large_profile() -> bytes:
    """An sRGB profile with its red and blue exchanged and 100 kB of padding, which a JPEG splits into two segments."""
    head = SRGB_PROFILE.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    padded = head.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be")) + bytes(100_000)
    return struct.pack(">I", len(padded)) + padded[4:]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_an_icc_profile_is_applied_in_every_format(kind: str) -> None:
    pixels = np.full((32, 32, 3), (200, 120, 40), np.uint8)
    data = encoded(pixels, kind, icc_profile=large_profile(), quality=100)
    if kind == "JPEG":
        assert data.count(b"ICC_PROFILE\0") == 2
    photo = decode(data)
    assert np.abs(photo.rgb[16, 16].astype(int) - (40, 120, 200)).max() <= 4
    assert photo.findings == ()


@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "1"])
def test_an_rgb_profile_of_a_grey_picture_is_applied(mode: str) -> None:
    image = Image.fromarray(np.full((32, 32), 128, np.uint8))
    image = Image.fromarray(np.full((32, 32), 128 * 257, np.uint16)) if mode == "I;16" else image.convert(mode)
    expected = 255 if mode == "1" else 128
    photo = decode(encoded(image, "PNG", icc_profile=large_profile()))
    assert np.abs(photo.rgb[::31, ::31].astype(int).max() - expected) <= 2
    assert photo.findings == ()


def test_a_profile_of_another_colour_space_warns() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    photo = decode(png(PATCHES / 255.0, iccp(lab)))
    assert (photo.rgb == PATCHES).all()
    assert ["another colour space" in finding.message for finding in photo.findings] == [True]


def test_a_linear_profile_that_is_named_srgb_is_applied() -> None:
    curve = b"para" + bytes(4) + struct.pack(">HHi", 0, 0, 65536)  # Type 0: a plain exponent, of 1.
    at = SRGB_PROFILE.index(b"para\0\0\0\0")
    linear = SRGB_PROFILE[:at] + curve + SRGB_PROFILE[at + len(curve) :]
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(linear)))
    check(png(LIGHT, iccp(linear)), 3, darkest=130)
    check(png(PATCHES / 255.0, iccp(SRGB_PROFILE)), 0)


def adobe_exif(space: int, interop: str) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = space
    exif.get_ifd(0x8769)[0xA005] = {1: interop}
    return exif.tobytes()


@pytest.mark.parametrize(("space", "interop", "adobe"), [(0xFFFF, "R03", True), (2, "", True), (1, "R98", False)])
def test_adobe_rgb_stated_by_exif(space: int, interop: str, adobe: bool) -> None:
    values = np.clip(LIGHT @ TO_ADOBE.T, 0.0, 1.0) ** (1 / 2.19921875) if adobe else PATCHES / 255.0
    data = encoded(eight(values), "JPEG", quality=100, subsampling="4:4:4", exif=adobe_exif(space, interop))
    difference = np.abs(decode(data).rgb.astype(int) - PATCHES)
    assert difference[PATCHES.max(axis=2) > 60].max() <= 16
    assert difference.mean() < 2


def test_sixteen_bit_grey_with_a_transparent_value_is_not_clipped() -> None:
    values = np.full((64, 64), 30_000, ">u2")
    values[16:48, 16:48] = np.arange(32 * 32).reshape(32, 32) * 60
    data = png_file(64, 64, 16, 0, values.tobytes(), (b"tRNS", struct.pack(">H", 30_000)))
    photo = decode(data)
    assert photo.alpha is not None
    assert (photo.alpha == np.where(values == 30_000, 0, 255)).all()
    expected = np.rint(values / 257.0)[16:48, 16:48]
    assert np.abs(photo.rgb[16:48, 16:48, 0] - expected).max() <= 1


def test_sixteen_bit_colour_with_a_transparent_value() -> None:
    values = np.full((64, 64, 3), (30_000, 20_000, 10_000), ">u2")
    values[16:48, 16:48] = (30_001, 20_000, 10_000)
    data = png_file(64, 64, 16, 2, values.tobytes(), (b"tRNS", struct.pack(">3H", 30_000, 20_000, 10_000)))
    photo = decode(data)
    assert photo.alpha is not None
    assert photo.alpha[0, 0] == 0
    assert photo.alpha[32, 32] == 255
    assert photo.rgb[32, 32].tolist() == [117, 78, 39]


def test_sixteen_bit_grey_with_alpha() -> None:
    values = np.full((64, 64, 2), (40_000, 65_535), ">u2")
    values[:, :20, 1] = 0
    values[:20, :, 1] = 0
    photo = decode(png_file(64, 64, 16, 4, values.tobytes()))
    assert photo.alpha is not None
    assert photo.alpha[0, 0] == 0
    assert photo.rgb[40, 40].tolist() == [156, 156, 156]


def test_encoding_bands_are_seamless() -> None:
    # More pixels than are converted at a time.
    samples = np.random.default_rng(0).integers(0, 256, (1500, 800, 3)).astype(np.uint8)
    encoding = Encoding(primaries=BT2020, transfer=Transfer.GAMMA, gamma=2.4)
    whole = to_srgb(samples, encoding)
    assert (whole[700:] == to_srgb(samples[700:], encoding)).all()
    assert to_srgb(samples, Encoding(primaries=DISPLAY_P3)).shape == samples.shape


def cmyk_patch(*inks: float) -> list[int]:
    values = np.full((20, 20, 4), np.rint(np.array(inks) * 255.0), np.uint8)
    return [int(value) for value in cmyk_to_srgb(values)[10, 10]]


def test_cmyk_paper_is_white_and_inks_are_those_of_offset_print() -> None:
    assert cmyk_patch(0, 0, 0, 0) == [255, 255, 255]
    # The sRGB of ISO 12647-2's solids, rounded; a plain inversion has (0, 255, 255), (255, 0, 255), (255, 255, 0).
    assert np.abs(np.array(cmyk_patch(1, 0, 0, 0)) - (0, 160, 228)).max() <= 4
    assert np.abs(np.array(cmyk_patch(0, 1, 0, 0)) - (230, 0, 126)).max() <= 16
    assert np.abs(np.array(cmyk_patch(0, 0, 1, 0)) - (255, 237, 0)).max() <= 16
    assert max(cmyk_patch(0, 0, 0, 1)) < 48
    assert max(cmyk_patch(1, 1, 1, 1)) < 16
    greys = [sum(cmyk_patch(0, 0, 0, ink)) for ink in np.linspace(0, 1, 11)]
    assert greys == sorted(greys, reverse=True)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_without_a_profile_warns(kind: str) -> None:
    inks = Image.new("CMYK", (32, 32), (20, 200, 180, 10))
    photo = decode(encoded(inks, kind, **({"quality": 100} if kind == "JPEG" else {})))
    assert np.abs(photo.rgb[16, 16].astype(int) - cmyk_patch(*(v / 255 for v in (20, 200, 180, 10)))).max() <= 6
    assert codes(photo.findings) == ["cmyk_without_profile"]


def test_inverted_cmyk_and_ycck_of_adobe_are_read_alike() -> None:
    inks = np.full((32, 32, 4), (20, 200, 180, 10), np.uint8)
    plain = encoded(Image.fromarray(inks, "CMYK"), "JPEG", quality=100)
    adobe = plain.index(b"Adobe")
    assert plain[adobe + 11] == 0  # Inverted inks, as written by Photoshop and Pillow.
    # YCCK holds Y, Cb and Cr of the stored inks, read as RGB, and black. The writer inverts its input.
    stored = 255 - inks
    ycc = cv2.cvtColor(255 - stored[:, :, :3], cv2.COLOR_RGB2YCrCb)[:, :, [0, 2, 1]]
    ycck = bytearray(encoded(Image.fromarray(255 - np.dstack((ycc, stored[:, :, 3])), "CMYK"), "JPEG", quality=100))
    ycck[bytes(ycck).index(b"Adobe") + 11] = 2
    assert np.abs(decode(bytes(ycck)).rgb.astype(int) - decode(plain).rgb).max() <= 8
