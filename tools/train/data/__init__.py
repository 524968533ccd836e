"""Building the packs: cut-outs of photos, rendered products, backgrounds; see README.md one folder up."""
