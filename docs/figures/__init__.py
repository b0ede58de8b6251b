"""Figures of the documentation, drawn by the library."""
