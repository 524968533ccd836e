"""A generator of product photos whose alpha is known exactly.

Scenes are parametric products in drawn materials, lit, put on a backdrop and photographed; everything follows from a
seed. They complement real photos and don't replace them: anything tuned on them is to be checked on photos.

``python -m tools.studio --out DIR --count N --seed S`` writes photos, masks and ``manifest.csv``.
"""
