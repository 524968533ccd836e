"""Measures the pictures: ``python -m tools.quality DIR [--studio N] [--engines local,…] [--out DIR]``.

``DIR/manifest.csv`` lists photos in the columns ``file``, ``mask`` (empty where there is none) and ``kind``; other
columns are ignored, except ``findings``: codes that a result should carry. Beside the photos, ``N`` scenes of each
class of `tools.studio` are measured.

Each engine's results are compared with the masks. A result is *right* at an IoU of at least 0.9, *trusted* where the
engine is confident enough for it to be used unseen, and a *silent failure* where it is wrong and trusted. Each check of
the compliance report is compared with that too: it should flag wrong results and pass right ones.

Each photo is measured in a process of its own, so the peak memory is that photo's; times are CPU times.
"""

from tools.quality.entries import read_manifest
from tools.quality.scores import GOOD_IOU, compare

__all__ = ["GOOD_IOU", "compare", "read_manifest"]
