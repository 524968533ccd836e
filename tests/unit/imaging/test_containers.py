"""Which picture of a file is used, which files are rejected by name, and which damaged ones are still accepted."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import pillow_heif
import pytest
from PIL import Image, PngImagePlugin

from generator_service.domain.errors import ImageRejected
from generator_service.imaging.source.decode import decode
from generator_service.imaging.source.inspect import inspect_photo
from tests.support.image_files import ASCII, BYTE, LONG, SHORT, Entry, rgb_page, tiff_file
from tests.unit.imaging.photos import codes, encoded, product_photo

SIDE = 32
PIXELS = bytes((10, 120, 200)) * SIDE * SIDE
CFA_PAGE: list[Entry] = [(254, LONG, (0,)), (256, LONG, (64,)), (257, LONG, (64,)), (262, SHORT, (32803,))]
DNG_VERSION: Entry = (50706, BYTE, b"\x01\x04\0\0")


def made_by(maker: bytes) -> Entry:
    return (271, ASCII, maker + b"\0")


RAW = {
    "DNG": tiff_file(rgb_page(SIDE, DNG_VERSION, made_by(b"Apple"), subfile=1), pixels=PIXELS),
    "DNG, big endian": tiff_file(rgb_page(SIDE, DNG_VERSION, subfile=1), pixels=PIXELS, order=">"),
    "DNG, version in the SubIFD": tiff_file(rgb_page(SIDE), pixels=PIXELS, sub=[DNG_VERSION, *CFA_PAGE]),
    "NEF": tiff_file(rgb_page(SIDE, made_by(b"NIKON CORPORATION"), subfile=1), pixels=PIXELS, sub=CFA_PAGE),
    "NEF, thumbnail only": tiff_file(rgb_page(SIDE, made_by(b"NIKON CORPORATION"), subfile=1), pixels=PIXELS),
    "ARW": tiff_file(rgb_page(SIDE, made_by(b"SONY"), subfile=1), CFA_PAGE, pixels=PIXELS),
    "ARW, compressed": tiff_file(rgb_page(SIDE, made_by(b"SONY")), pixels=PIXELS, sub=[(259, SHORT, (32767,))]),
    "linear": tiff_file(rgb_page(SIDE), pixels=PIXELS, sub=[(262, SHORT, (34892,))]),
    "CR2": b"II*\0\x10\0\0\0CR\x02\0" + bytes(200),
    "CR3": b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + bytes(200),
    "RAF": b"FUJIFILMCCD-RAW 0201" + bytes(200),
    "RW2": b"IIU\0" + bytes(200),
    "ORF": b"IIRO" + bytes(200),
}


@pytest.mark.parametrize("data", RAW.values(), ids=RAW)
def test_inspect_photo_rejects_raw_by_name(data: bytes) -> None:
    with pytest.raises(ImageRejected, match="RAW") as rejection:
        inspect_photo(data)
    assert rejection.value.code == "image_unsupported"
    assert "JPEG" in str(rejection.value)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"II+\0\x08\0\0\0" + bytes(100), "BigTIFF"),
        (b"MM\0+\0\x08\0\0" + bytes(100), "BigTIFF"),
        (encoded(Image.fromarray(np.zeros((32, 32), np.float32)), "TIFF"), "floating-point TIFF"),
        (tiff_file(rgb_page(SIDE, (339, SHORT, (3, 3, 3))), pixels=PIXELS), "floating-point TIFF"),
    ],
)
def test_inspect_photo_rejects_unusual_tiff_by_name(data: bytes, name: str) -> None:
    with pytest.raises(ImageRejected, match=name) as rejection:
        inspect_photo(data)
    assert rejection.value.code == "image_unsupported"


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_cameras_own_tiff_is_accepted(order: str) -> None:
    photo = decode(tiff_file(rgb_page(SIDE, made_by(b"NIKON CORPORATION")), pixels=PIXELS, order=order))
    assert photo.rgb[5, 5].tolist() == [10, 120, 200]
    assert photo.findings == ()


def test_a_loop_of_directories_ends() -> None:
    data = bytearray(tiff_file(rgb_page(SIDE), pixels=PIXELS))
    first = data[4:8]
    link = int.from_bytes(first, "little") + 2 + 12 * len(rgb_page(SIDE))
    data[link : link + 4] = first
    assert inspect_photo(bytes(data)).width == SIDE


def test_the_full_page_of_a_tiff_is_used_not_its_thumbnail() -> None:
    thumbnail = rgb_page(16, subfile=1)
    data = tiff_file(thumbnail, rgb_page(SIDE), pixels=PIXELS)
    assert inspect_photo(data).width == SIDE
    photo = decode(data)
    assert photo.rgb.shape == (SIDE, SIDE, 3)
    assert photo.findings == ()


def heif(*colours: str, primary: int) -> bytes:
    container = pillow_heif.HeifFile()  # type: ignore[no-untyped-call]
    for index, colour in enumerate(colours):
        container.add_from_pillow(Image.new("RGB", (64 + 16 * index, 64), colour))
    buffer = io.BytesIO()
    container.save(buffer, quality=95, primary_index=primary)
    return buffer.getvalue()


@pytest.mark.parametrize(("primary", "named"), [(0, "first"), (1, "main one"), (2, "main one")])
def test_the_primary_picture_of_a_heif_is_used(primary: int, named: str) -> None:
    data = heif("#c00000", "#00c000", "#0000c0", primary=primary)
    assert inspect_photo(data).width == 64 + 16 * primary
    photo = decode(data)
    assert int(photo.rgb.reshape(-1, 3).mean(axis=0).argmax()) == primary
    assert [finding.message for finding in photo.findings] == [
        f"The file holds several pictures; only the {named} was used."
    ]


def test_a_stereo_photo_warns_and_a_phones_gain_map_does_not() -> None:
    frames = [Image.fromarray(product_photo(size=(64, 64), seed=seed)[0]) for seed in range(2)]
    data = bytearray(encoded(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    assert decode(bytes(data)).findings == ()
    # The type of a picture is the low 24 bits of its attributes, in the entries of the MP index (tag 0xB002).
    header = bytes(data).index(b"MPF\0") + 4
    order: Literal["little", "big"] = "little" if data[header : header + 2] == b"II" else "big"
    tag = bytes(data).index((0xB002).to_bytes(2, order), header)
    entries = header + int.from_bytes(data[tag + 8 : tag + 12], order)
    for entry in (entries, entries + 16):
        attributes = int.from_bytes(data[entry : entry + 4], order)
        data[entry : entry + 4] = (attributes & 0xFF000000 | 0x020002).to_bytes(4, order)
    assert codes(decode(bytes(data)).findings) == ["several_pictures"]


PHOTO, _ = product_photo(size=(320, 240))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": "4:2:0"}, {"restart_marker_rows": 1}])
def test_a_jpeg_without_its_end_marker_is_accepted_with_a_warning(options: dict[str, object]) -> None:
    whole = encoded(PHOTO, "JPEG", quality=90, **options)
    assert whole.endswith(b"\xff\xd9")
    for cut in (1, 2):
        photo = decode(whole[:-cut])
        assert (photo.rgb == decode(whole).rgb).all()
        assert [finding.message for finding in photo.findings] == [
            "The JPEG file breaks off at its end; the picture itself is complete."
        ]


def test_a_jpeg_without_its_last_rows_is_cropped_with_a_warning() -> None:
    whole = encoded(PHOTO, "JPEG", quality=90)
    photo = decode(whole[:-80])
    rows = photo.rgb.shape[0]
    assert 240 - 32 <= rows < 240
    (finding,) = photo.findings
    assert finding.code == "incomplete_file"
    assert f"its last {240 - rows} rows of pixels are missing" in finding.message
    assert np.abs(photo.rgb.astype(int) - decode(whole).rgb[:rows]).max() <= 16


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 0.9])
def test_a_jpeg_that_lacks_more_is_truncated(progressive: bool, share: float) -> None:
    whole = encoded(PHOTO, "JPEG", quality=90, progressive=progressive)
    with pytest.raises(ImageRejected) as rejection:
        decode(whole[: round(len(whole) * share)])
    assert rejection.value.code == "image_truncated"


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF tiff:Orientation="6"/></x:xmpmeta>'


def xmp_option(kind: str) -> dict[str, object]:
    if kind == "TIFF":
        return {"tiffinfo": {700: XMP}}
    if kind != "PNG":
        return {"xmp": XMP}
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return {"pnginfo": text}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_orientation_in_xmp_alone_is_ignored(kind: str) -> None:
    data = encoded(Image.new("RGB", (60, 40), "#336699"), kind, **xmp_option(kind))
    assert b"tiff:Orientation" in data
    assert decode(data).rgb.shape == (40, 60, 3)


def test_orientation_in_a_text_chunk_of_a_png_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = exif.tobytes()
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(raw):8}\n{raw.hex()}\n")
    assert decode(encoded(Image.new("RGB", (60, 40), "#336699"), "PNG", pnginfo=text)).rgb.shape == (40, 60, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_exif_orientation_is_applied_once(kind: str, orientation: int) -> None:
    upright = np.full((48, 64, 3), 200, np.uint8)
    upright[:16, :16] = 20
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = Image.fromarray(upright)
    if orientation in undo:
        stored = stored.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    if kind == "HEIF":
        heif_file = pillow_heif.from_pillow(stored)
        heif_file.info["exif"] = exif.tobytes()
        heif_file.save(buffer, quality=95)
    else:
        stored.save(buffer, kind, exif=exif)
    photo = decode(buffer.getvalue())
    assert photo.rgb.shape == upright.shape
    assert np.abs(photo.rgb[2:14, 2:14].astype(int) - 20).max() < 30
    assert photo.rgb[24:, 24:].min() > 170
