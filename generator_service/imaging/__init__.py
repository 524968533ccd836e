"""From a photo's bytes to a picture's bytes: pure and synchronous, to be run in a worker process.

`render` is the entry point; `inspect_photo` looks at a header without decoding. The steps, in order: `decode` (upright
sRGB; `transparency` interprets the alpha channel), `border` and `barrier` (a model of the backdrop and its boundary) or
`saliency` (salient regions, on cluttered backdrops), `segment` (coarse mask), `confidence` with the numbers of
`calibration`, `matte` (full-size alpha, colours without halo), `compose` (the canvas), `encode`.
"""
