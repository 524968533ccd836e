"""From the log to those who watch it: tail → ring → watchers → feeds."""
