"""The neural engine: an ONNX network finds the product; its mask is a prior for the same cut-out as the local one's."""
