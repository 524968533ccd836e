"""The start of every whitebg process: reading its settings from the environment, and protecting its secrets."""
