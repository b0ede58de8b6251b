"""`PictureEmbedder`, the transformer from pictures to vectors."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags

from semelha.embedders import Model
from semelha.sklearn.inputs import ModelLike, as_sources, loaded_model


class PictureEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Embeds pictures with a model: the first step of a pipeline of scikit-learn.

    Nothing is learned: `transform` works without `fit`, which only loads the model once. A pickle of a fitted embedder,
    or of one that was given a `Model`, contains the model; it needs no torch.

    Parameters
    ----------
    model : Model, path or str, optional
        A model, its folder, or the name of a published one; by default `semelha.pretrained()`.
    batch_size : int
        Pictures that the network computes at a time.

    Attributes
    ----------
    model_ : Model
    """

    def __init__(self, model: ModelLike = None, *, batch_size: int = 64) -> None:
        self.model = model
        self.batch_size = batch_size

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Load the model; the arguments are ignored. Raises the errors of `semelha.pretrained`."""
        self.model_ = loaded_model(self.model)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed pictures: (n, dim) float32.

        Parameters
        ----------
        X : sequence of pictures
            Paths, bytes, pixels (h, w[, 3]) uint8, PIL images or `Picture`: in a list, an array, a series, or a frame
            with one column; or an array (n, h, w[, 3]); or a `Dataset`.

        Raises
        ------
        PictureError
            A picture cannot be used; the message names it.
        UsageError
            X is one picture or no pictures, or `batch_size` is below 1.
        """
        return self._loaded().embed(as_sources(X), batch_size=self.batch_size)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags

    @property
    def _n_features_out(self) -> int:
        return self._loaded().dim

    def _loaded(self) -> Model:
        model: Model | None = getattr(self, "model_", None)
        return loaded_model(self.model) if model is None else model
