"""Calibration of a gallery: the scores of non-mated probes, the rule they give, and how it follows changes."""
