"""From a file to pixels: formats, colours, orientation, transparency, and the rejection of unusable files."""
