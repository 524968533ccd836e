"""From a photo's bytes to a picture's bytes: pure and synchronous, to be run in a worker process.

`render` is the way in; `inspect_photo` looks at a header without decoding. The steps, in order: `decode` (upright
sRGB), `border` and `barrier` (what the backdrop is and where it ends) or `saliency` (what stands out where it is
cluttered), `segment` (coarse mask), `confidence` with the numbers of `calibration`,
`matte` (full-size alpha, colours without halo), `compose` (the canvas), `encode`.
"""
