"""What each new class costs, and what a classifier answers for classes that it does not know."""

import numpy as np
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression

import semelha
from docs.figures.drawing import BLUE, ORANGE, WIDTH, Words, powers_of_ten
from semelha.features import HOG

WORDS = {
    "en": {
        "cost": "pictures computed for new classes",
        "classes": "new classes",
        "retrain": "retraining",
        "enroll": "enrolling",
        "sure": "probability of a classifier’s answer",
        "pictures": "pictures",
        "known": "of its classes",
        "unknown": "of other classes",
    },
    "pt-BR": {
        "cost": "imagens processadas por classes novas",
        "classes": "classes novas",
        "retrain": "retreinar",
        "enroll": "cadastrar",
        "sure": "probabilidade da resposta de um classificador",
        "pictures": "imagens",
        "known": "de suas classes",
        "unknown": "de outras classes",
    },
}
CLASSES, EACH, EPOCHS = 100, 10, 20


def draw(words: Words) -> Figure:
    figure = Figure((WIDTH, 4.6), layout="constrained")
    cost, sure = figure.subplots(2, 1)
    new = np.arange(1, 101)
    cost.plot(new, np.cumsum((CLASSES + new) * EACH * EPOCHS), color=ORANGE, linewidth=2)
    cost.plot(new, new * EACH, color=BLUE, linewidth=2)
    cost.set(yscale="log", xlabel=words["classes"], title=words["cost"], xlim=(1, 100))
    powers_of_ten(cost.yaxis)
    cost.text(60, 7e5, words["retrain"], color=ORANGE, va="top")
    cost.text(60, 350, words["enroll"], color=BLUE, va="top")

    known, unknown = answers()
    bins = np.linspace(0, 1, 21)
    sure.hist([known, unknown], bins=bins, color=[BLUE, ORANGE], label=[words["known"], words["unknown"]])
    sure.set(xlabel=words["sure"], ylabel=words["pictures"], xlim=(0, 1))
    sure.legend(loc="upper left")
    return figure


def answers() -> tuple[np.ndarray, np.ndarray]:
    """Largest softmax probability of pictures of the classes that were learned, and of others: (n,), (m,)."""
    dataset = semelha.glyphs(["Georgian", "Armenian"], size=32)
    pixels = np.stack([np.repeat(picture.source[..., None], 3, axis=2) for picture in dataset])
    vectors, labels = HOG((32, 32)).batch(pixels), dataset.labels
    is_learned = np.array([picture.label.startswith("Georgian") for picture in dataset])
    is_test = np.array([" Bold" in picture.name for picture in dataset])
    classifier = LogisticRegression(C=1000, max_iter=1000)
    classifier.fit(vectors[is_learned & ~is_test], labels[is_learned & ~is_test])
    known, unknown = (
        classifier.predict_proba(vectors[rows]).max(axis=1) for rows in (is_learned & is_test, ~is_learned)
    )
    return known, unknown[: len(known)]
