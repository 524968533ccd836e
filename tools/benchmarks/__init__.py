"""Speed, compared with bare peers in the same run: `make bench`."""
