"""Explains an answer: matched examples, the runner-up, and a heat map of the picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

from semelha.embedders import Model, Source, as_pictures
from semelha.errors import UsageError
from semelha.gallery.live_index import LiveIndex
from semelha.images import content_hashes
from semelha.recognition import Candidate, Evidence, MatchedExample, occlusion_saliency
from semelha.store import View

MAX_SIDE = 320  # pixels of the picture whose parts are hidden
CANDIDATES = 5


def explained(live: LiveIndex, model: Model, picture: Source, k: int) -> Evidence:
    """Identify a picture, with the evidence for the answer: see `Gallery.explain`."""
    if k < 1:
        raise UsageError(f"k is {k}: at least one example is shown")
    (one,) = as_pictures([picture])
    pixels = one.pixels()
    vectors = model.embed(pixels)
    with live.read() as state:
        (found,) = state.identify(vectors, CANDIDATES, content_hashes(one, (state.view.hash_basis,)))
        shown = [_matched_examples(state.view, one, k) for one in found.candidates[:2]]
        references = state.view.vectors(each[0].example for each in shown)
    image = Image.fromarray(pixels)
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    probe = np.asarray(image)
    maps = None
    if shown:
        stacked = np.stack([references[each[0].example] for each in shown])
        maps = occlusion_saliency(lambda hidden: model.embed(list(hidden)), model.metric, probe, stacked)
    matched = shown[0] if shown else ()
    return Evidence(found, probe, matched, shown[1][0] if len(shown) > 1 else None, maps)


def _matched_examples(view: View, candidate: Candidate, k: int) -> tuple[MatchedExample, ...]:
    return tuple(
        MatchedExample(candidate.subject, match.example, match.source, match.distance, view.picture(match.example))
        for match in candidate.examples[:k]
    )
