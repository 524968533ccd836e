"""Parametric products: each module draws a family of them part by part."""
