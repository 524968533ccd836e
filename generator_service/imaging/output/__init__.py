"""From alpha to the finished file: placement, background, shadow and encoding."""
