"""Training pictures, composed on the GPU from cut-outs, backgrounds and whole photos."""
