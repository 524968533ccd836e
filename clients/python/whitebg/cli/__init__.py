"""The `whitebg` command."""
