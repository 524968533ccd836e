"""How often one client may do something."""
