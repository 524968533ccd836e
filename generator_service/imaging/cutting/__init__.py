"""From pixels to alpha: the product and its outline, and how far to trust them."""
