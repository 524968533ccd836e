"""The prompt for the model: a fixed part, the market's requirements, and the task's own prompt."""

from __future__ import annotations

from generator_service.domain.presets import PictureSpec

PROMPT = """\
Edit this product photo. Keep the product exactly as it is: the same shape, proportions, colours, materials, surface, \
labels, logos and lettering, seen from the same side. Do not redraw, restyle, repair, clean, complete or add anything.

Replace everything that is not the product by one even background of pure white, #FFFFFF (RGB 255, 255, 255), up to \
every edge of the picture. No shadow, reflection, gradient, surface, horizon, vignette, frame or border. No props, \
hands, people, text or watermark that are not part of the product itself.

Show the whole product, in one piece and not cut off, centred, with an even margin on all sides, in sharp focus, with \
clean natural edges and no halo. Holes and gaps through which the old background was seen show white."""

FRAMING = "The product's longest side takes about {fill:.0%} of the picture's side."

MARKETS = {
    "amazon": "It is for Amazon's main image: only what the buyer gets, without inset pictures, badges or added text.",
    "taobao": "It is for Taobao's white-background main image: one product alone, no stickers, no added Chinese text.",
    "tmall": "It is for Tmall's white-background main image: one product alone, no stickers, no added Chinese text.",
    "jd": "It is for JD's white-background main image: the product alone, no stickers, no added Chinese text.",
    "shopify": "It is for a Shopify catalogue: it must look like all other pictures on white, plain and even.",
    "ebay": "It is for an eBay listing: wear, scratches and faults of the product must stay as visible as they are.",
    "google_merchant": "It is for Google Shopping: no promotional text, no watermark, no border, no scaling artefacts.",
}
"""Each market's requirements beyond the white background; `custom` has none."""

CLOSING = "Answer with the edited picture only."

SELLER_PROMPT = """\
The seller adds this wish. Follow it as far as it leaves the product unchanged and the background pure white:
{prompt}"""


def compose(prompt: str, spec: PictureSpec) -> str:
    """Return the whole text for a picture; ``prompt`` is its fixed part."""
    parts = [prompt, " ".join(filter(None, (FRAMING.format(fill=spec.fill), MARKETS.get(spec.preset)))), CLOSING]
    if wish := spec.prompt.strip():
        parts.append(SELLER_PROMPT.format(prompt=wish))
    return "\n\n".join(parts)
