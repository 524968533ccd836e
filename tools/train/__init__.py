"""Training of whitebg's own cut-out network; see README.md in this folder. Never imported by the package itself."""
