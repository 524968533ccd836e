"""Sessions that were ended before their tokens expire."""
