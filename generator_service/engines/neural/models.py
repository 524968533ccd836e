"""The supported networks, with their licences, checksums and pre-processing. Data only.

Sizes and checksums are those of the files of rembg's model release, https://github.com/danielgatis/rembg/releases
(v0.0.0); the MD5 values are recorded in rembg 2.0.86 (MIT), the SHA-256 values by several independent projects that
pin the same files. Input size, mean and deviation are the published ones of U²-Net, IS-Net (DIS) and BiRefNet.
"""

from __future__ import annotations

from dataclasses import dataclass

_RELEASE = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/"
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CENTRED = ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))

_Channels = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A network: its file, its licence, and how to run it.

    The input is one 1×3×``side``×``side`` float32 RGB picture, scaled to 0 to 1 by its own maximum, less ``mean``,
    divided by ``deviation``. Output 0 is 1×1×H×W: the product's alpha, or its logits.
    """

    name: str
    file: str
    """The file's name in the release, and on a mirror."""
    licence: str
    """SPDX identifier of the authors' licence for code and weights."""
    source: str
    """The authors' page of the network."""
    commercial: bool = True
    """Whether the licence allows commercial use. Others are rejected."""
    sha256: str
    size_bytes: int | None = None
    """None if unknown."""
    side: int = 320
    mean: _Channels = _IMAGENET[0]
    deviation: _Channels = _IMAGENET[1]
    logits: bool = False
    """Whether the output needs a sigmoid."""
    memory_mib: int
    """Peak memory of one process, photo and picture included."""
    adds: str = ""
    """The benefit of installing the network, in words."""

    @property
    def url(self) -> str:
        """Download URL of the file without a mirror."""
        return _RELEASE + self.file


MODELS = {
    model.name: model
    for model in (
        Model(
            name="isnet-general-use",
            file="isnet-general-use.onnx",
            licence="Apache-2.0",
            source="https://github.com/xuebinqin/DIS",
            sha256="60920e99c45464f2ba57bee2ad08c919a52bbf852739e96947fbb4358c0d964a",
            size_bytes=178_648_008,
            side=1024,
            mean=_CENTRED[0],
            deviation=_CENTRED[1],
            memory_mib=1536,
            adds="better cut-outs on cluttered backdrops, for 2 to 4 s of one core per photo; recommended",
        ),
        Model(
            name="birefnet-general",
            file="BiRefNet-general-epoch_244.onnx",
            licence="MIT",
            source="https://github.com/ZhengPeng7/BiRefNet",
            sha256="58f621f00f5d756097615970a88a791584600dcf7c45b18a0a6267535a1ebd3c",
            size_bytes=972_666_916,
            side=1024,
            logits=True,
            memory_mib=12 * 1024,
            adds="fine detail, at many times the time and memory of isnet-general-use; not measured here",
        ),
        Model(
            name="birefnet-general-lite",
            file="BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx",
            licence="MIT",
            source="https://github.com/ZhengPeng7/BiRefNet",
            sha256="5600024376f572a557870a5eb0afb1e5961636bef4e1e22132025467d0f03333",
            size_bytes=224_005_088,
            side=1024,
            logits=True,
            memory_mib=10 * 1024,
            adds="fine detail, in half the time of birefnet-general and nearly its memory; not measured here",
        ),
        Model(
            name="u2net",
            file="u2net.onnx",
            licence="Apache-2.0",
            source="https://github.com/xuebinqin/U-2-Net",
            sha256="8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491",
            size_bytes=175_997_641,
            memory_mib=1024,
            adds="a coarser outline than isnet-general-use, in less time and memory; not measured here",
        ),
        Model(
            name="silueta",
            file="silueta.onnx",
            licence="Apache-2.0",
            source="https://github.com/xuebinqin/U-2-Net/issues/295",
            sha256="75da6c8d2f8096ec743d071951be73b4a8bc7b3e51d9a6625d63644f90ffeedb",
            size_bytes=44_173_029,
            memory_mib=1024,
            adds="u2net with smaller weights; not measured here",
        ),
        Model(
            name="u2netp",
            file="u2netp.onnx",
            licence="Apache-2.0",
            source="https://github.com/xuebinqin/U-2-Net",
            sha256="309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
            size_bytes=4_574_861,
            memory_mib=768,
            adds="a small network for machines with little memory; not measured here",
        ),
        Model(
            name="bria-rmbg",
            file="bria-rmbg-2.0.onnx",
            licence="CC-BY-NC-4.0",
            source="https://huggingface.co/briaai/RMBG-2.0",
            commercial=False,
            sha256="5b486f08200f513f460da46dd701db5fbb47d79b4be4b708a19444bcd4e79958",
            memory_mib=10 * 1024,
        ),
    )
}
"""By name, the preferred one first."""

USABLE = {name: model for name, model in MODELS.items() if model.commercial}
"""Models whose licence allows commercial use."""


class ModelUnusable(ValueError):
    """A model can't be used here; the string has the reason and the remedy."""


def usable_model(name: str) -> Model:
    """Return the model of this name.

    Raises:
        ModelUnusable: the model is unknown, or its licence doesn't allow commercial use.

    """
    model = MODELS.get(name)
    if model is None:
        raise ModelUnusable(
            f"{name!r} is not a model whose licence is known to allow commercial use; known are: {', '.join(USABLE)}"
        )
    if not model.commercial:
        raise ModelUnusable(
            f"{name} has the licence {model.licence}, which does not allow commercial use; "
            f"use one of: {', '.join(USABLE)}"
        )
    return model


def by_checksum(sha256: str) -> Model | None:
    """Return the model whose file has this SHA-256; None if there is none."""
    return next((model for model in MODELS.values() if model.sha256 == sha256), None)
