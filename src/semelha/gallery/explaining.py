"""What the answer of a gallery rests on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semelha.embedders import Model, Source, as_pictures
from semelha.errors import UsageError
from semelha.gallery.live_index import LiveIndex
from semelha.images import content_hashes
from semelha.recognition import Candidate, Evidence, MatchedExample, occlusion_saliency
from semelha.store import View

HIDDEN = 320  # pixels: a picture that is larger is made smaller before parts of it are hidden
CANDIDATES = 5


def explained(live: LiveIndex, model: Model, picture: Source, k: int) -> Evidence:
    """Identify a picture, and tell what the answer rests on: `Gallery.explain`."""
    if k < 1:
        raise UsageError(f"k is {k}: at least one example is shown")
    (one,) = as_pictures([picture])
    pixels = one.pixels()
    vectors = model.embed(pixels)
    with live.read() as state:
        (found,) = state.identify(vectors, CANDIDATES, content_hashes(one, (state.view.hash_basis,)))
        shown = [_exhibits(state.view, one, k) for one in found.candidates[:2]]
        references = state.view.vectors(each[0].example for each in shown)
    probe = _smaller(pixels)
    maps = None
    if shown:
        stacked = np.stack([references[each[0].example] for each in shown])
        maps = occlusion_saliency(lambda hidden: model.embed(list(hidden)), model.metric, probe, stacked)
    matched = shown[0] if shown else ()
    return Evidence(found, probe, matched, shown[1][0] if len(shown) > 1 else None, maps)


def _exhibits(view: View, candidate: Candidate, k: int) -> tuple[MatchedExample, ...]:
    return tuple(
        MatchedExample(candidate.subject, match.example, match.source, match.distance, view.picture(match.example))
        for match in candidate.examples[:k]
    )


def _smaller(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = Image.fromarray(pixels)
    image.thumbnail((HIDDEN, HIDDEN), Image.Resampling.LANCZOS)
    return np.asarray(image)
