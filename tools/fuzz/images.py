"""Mutated real files, sent to the engine's own processes.

Hypothesis chooses a file (the photos of ``examples``, in every accepted format) and its mutations. Each is processed by
the pool exactly as a task's photo is: decoded, sometimes rendered. A picture or a rejection is fine; a dead process, an
unforeseen exception or a hang is a finding, is written to ``fuzz-out/`` and makes the exit code 1.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pillow_heif
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from generator_service.domain.errors import EngineError, ImageRejected
from generator_service.domain.presets import resolve
from generator_service.domain.task_options import Engine, TaskOptions
from generator_service.engines.job_pool import JobPool
from generator_service.engines.jobs import RenderJob, ShrinkJob
from generator_service.engines.pool.pool import PoolSettings

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "photos"
OUT = Path("fuzz-out")
BATCH = 2000
SLOW_SECONDS, HANG_SECONDS = 30.0, 120.0
"""Above the first, an input is retried, because a busy machine is slow too. Above the second, it counts as a hang."""
RENDER_EVERY = 40
"""Of the decodable inputs, one in this many is rendered, which takes fifty times as long."""
SIDE = 96
SPEC = resolve(TaskOptions(size_px=128))
BOUNDED = frozenset({"out_of_memory", "result_too_large"})
"""Rejections caused by the pool's own limits."""

INTERESTING = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 8000, 64)
MAGIC = 12
"""Length of the signature that identifies a file's format."""
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def corpus() -> list[bytes]:
    """Return small real photos in every format, and the example files unchanged."""
    originals = [path.read_bytes() for path in sorted(EXAMPLES.glob("*.jpg"))]
    if not originals:
        raise SystemExit(f"there are no photos in {EXAMPLES}")
    photos = []
    for data in originals[:3]:
        with Image.open(io.BytesIO(data)) as image:
            image.thumbnail((SIDE, SIDE))
            photos.append(image.convert("RGB"))
    return [*originals, *(made for photo in photos for made in _in_every_format(photo))]


def _in_every_format(photo: Image.Image) -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    exif.get_ifd(0x8825)[1] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey = photo.convert("L")
    deep = Image.fromarray(np.asarray(grey, np.uint16) * 257)
    clear = photo.convert("RGBA")
    clear.putalpha(grey)
    more = {"save_all": True, "append_images": [photo.rotate(90), photo.rotate(180)]}
    heif = io.BytesIO()
    pillow_heif.from_pillow(photo).save(heif, quality=60)
    return [
        heif.getvalue(),
        _saved(photo, "JPEG", exif=exif, icc_profile=profile),
        _saved(photo, "JPEG", progressive=True),
        *(_saved(photo.convert("CMYK"), kind) for kind in ("JPEG", "TIFF")),
        *(
            _saved(each, "PNG", icc_profile=None)
            for each in (photo, clear, deep, grey.convert("1"), photo.convert("P"))
        ),
        _saved(photo, "PNG", exif=exif, icc_profile=profile, **more),
        *(_saved(clear, "WEBP", lossless=lossless, exif=exif) for lossless in (True, False)),
        _saved(photo, "WEBP", **more),
        *(_saved(photo, "TIFF", compression=each) for each in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg")),
        *(_saved(each, "TIFF", exif=exif) for each in (deep, clear, photo.convert("LAB"))),
        _saved(photo, "TIFF", **more),
        _saved(photo.convert("P"), "GIF", transparency=3),
        _saved(photo, "GIF", **more),
        *(_saved(each, "BMP") for each in (photo, photo.convert("P"))),
        *(_saved(each, "AVIF", quality=50) for each in (photo, clear)),
    ]


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@st.composite
def broken_files(draw: st.DrawFn, files: list[bytes]) -> bytes:
    """Draw a file and mutate it one to six times."""
    data = bytearray(draw(st.sampled_from(files)))
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 2, 3, 4, 6)))):
        if len(data) <= MAGIC:
            break
        # Mostly after the signature, which only identifies the format, and often within the header.
        first = draw(st.sampled_from((0, MAGIC, MAGIC, MAGIC, MAGIC, MAGIC, MAGIC, MAGIC)))
        at = draw(st.integers(first, min(len(data) - 1, 600)) | st.integers(first, len(data) - 1))
        match draw(st.sampled_from((0, 0, 0, 1, 1, 1, 2, 3, 4, 5, 6))):
            case 0:
                data[at] = draw(st.integers(0, 255))
            case 1:
                form = draw(st.sampled_from(("<H", ">H", "<I", ">I")))
                value = draw(st.sampled_from(INTERESTING)) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF)
                data[at : at + struct.calcsize(form)] = struct.pack(form, value)
            case 2:
                del data[at : at + draw(st.integers(1, 64))]
            case 3:
                length, again = draw(st.integers(1, 64)), draw(st.integers(1, 40))
                data[at:at] = data[at : at + length] * again
            case 4:
                del data[at:]
            case 5:
                data[at:at] = draw(st.binary(min_size=1, max_size=16))
            case _:
                other = draw(st.sampled_from(files))
                data[at:] = other[draw(st.integers(0, len(other) - 1)) :]
    broken = bytes(data)
    # A PNG with wrong checksums is rejected before anything else is examined.
    return with_checksums(broken) if broken.startswith(PNG_MAGIC) and draw(st.booleans()) else broken


def with_checksums(png: bytes) -> bytes:
    """Correct the checksum of every chunk of a PNG, as far as its chunks can be parsed."""
    data, at = bytearray(png), len(PNG_MAGIC)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)


@dataclass
class Run:
    """One run: the outcomes of its inputs, and the findings."""

    runner: asyncio.Runner
    pool: JobPool
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def inputs(self) -> int:
        """Files tried so far."""
        return self.outcomes["inputs"]

    def try_file(self, data: bytes) -> None:
        """Process one file and record the outcome."""
        self.outcomes["inputs"] += 1
        began = time.monotonic()
        small = ShrinkJob(photo=data, max_side_px=SIDE)
        outcome = self._outcome(lambda: self.pool.shrink(small, lambda _percent, _stage: None), data)
        self.outcomes[outcome] += 1
        if outcome == "decoded" and self.outcomes[outcome] % RENDER_EVERY == 0:
            job = RenderJob(photo=data, spec=SPEC, engine=Engine.LOCAL)
            rendered = self._outcome(lambda: self.pool.render(job, lambda _percent, _stage: None), data)
            self.outcomes["rendered" if rendered == "decoded" else f"render: {rendered}"] += 1
        self.slowest = max(self.slowest, time.monotonic() - began)

    def _outcome(self, work: Callable[[], Coroutine[None, None, object]], data: bytes) -> str:
        async def within(seconds: float) -> None:
            async with asyncio.timeout(seconds):
                await work()

        try:
            try:
                self.runner.run(within(SLOW_SECONDS))
            except TimeoutError:
                self.outcomes["tried again for being slow"] += 1
                self.runner.run(within(HANG_SECONDS))
        except ImageRejected as refusal:
            return refusal.code
        except TimeoutError:
            self._note("hang", f"took over {HANG_SECONDS:g} s", data)
            return "hang"
        except EngineError as error:
            if error.code not in BOUNDED:
                self._note(error.code, str(error), data)
            return error.code
        return "decoded"

    def _note(self, kind: str, what: str, data: bytes) -> None:
        OUT.mkdir(exist_ok=True)
        file = OUT / f"{kind}-{hashlib.sha256(data).hexdigest()[:16]}"
        file.write_bytes(data)
        self.findings.append(f"{file}: {what}")
        print(self.findings[-1], file=sys.stderr, flush=True)


def attack(run: Run, files: list[bytes], number: int, examples: int) -> None:
    """Let Hypothesis try this many inputs; another ``number`` gives other inputs."""

    def one(data: bytes) -> None:
        run.try_file(data)

    test: Callable[[], None] = seed(number)(
        settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(given(broken_files(files))(one))
    )
    test()


def fuzz_images(count: int, number: int) -> int:
    """Try ``count`` files of this seed; print the outcomes, and return the number of findings."""
    # The decoders' warnings about broken files are irrelevant here; each finding is stored for inspection.
    logging.getLogger("generator_service.engines").setLevel(logging.CRITICAL)
    files, began = corpus(), time.monotonic()
    settings_ = PoolSettings(processes=1, jobs_per_process=5000, memory_bytes=3 * 1024**3)
    with asyncio.Runner() as runner:
        run = Run(runner, JobPool(settings_))
        runner.run(run.pool.start())
        try:
            batch = 0
            while run.inputs < count:
                attack(run, files, number * 1_000_000 + batch, min(BATCH, count - run.inputs))
                batch += 1
                print(
                    f"{run.inputs} inputs, {time.monotonic() - began:.0f} s, {len(run.findings)} findings", flush=True
                )
        finally:
            runner.run(run.pool.close())
    for outcome, occurred in run.outcomes.most_common():
        print(f"{occurred:>8}  {outcome}")
    print(f"slowest: {run.slowest:.1f} s; {len(files)} files to begin with; {time.monotonic() - began:.0f} s in all")
    print(f"{run.inputs} inputs, {len(run.findings)} crashes, hangs or unforeseen errors")
    return len(run.findings)
