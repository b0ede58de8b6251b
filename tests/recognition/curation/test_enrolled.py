"""How far an example is from subjects, against plain loops in float64."""

import numpy as np
from tests.recognition.curation.made import drawn, enrolled

from semelha.recognition.curation.enrolled import N_NEAREST


def mean_of_few(distances: list[float]) -> float:
    return float(np.mean(sorted(distances)[:N_NEAREST])) if distances else np.inf


def test_to_own_and_to_the_nearest_other() -> None:
    """With all neighbors listed nothing stands in, and subjects of one example and of many go together."""
    vectors, _ = drawn(8, 6, spread=0.8)
    subjects = np.repeat(np.arange(6), [1, 2, 3, 12, 20, 10])
    found = enrolled(vectors, subjects, k=47)
    exact = 1 - vectors.astype(np.float64) @ vectors.astype(np.float64).T
    who, far = found.nearest_other_subject
    for row in range(48):
        to = {
            subject: mean_of_few([exact[row, i] for i in np.flatnonzero(subjects == subject) if i != row])
            for subject in range(6)
        }
        own = to.pop(int(subjects[row]))
        assert found.own_distance[row] == own or abs(found.own_distance[row] - own) < 1e-7
        assert abs(far[row] - min(to.values())) < 1e-7
        assert to[int(who[row])] == min(to.values())


def test_what_is_not_among_the_neighbors_is_no_nearer_than_the_last() -> None:
    """A short list never makes another subject seem farther than it is."""
    vectors, subjects = drawn(20, 5, spread=0.8)
    few, all_of_them = enrolled(vectors, subjects, k=6), enrolled(vectors, subjects, k=99)
    listed = few.nearest_other_subject[0] >= 0
    assert listed.any()
    assert (few.nearest_other_subject[1][listed] <= all_of_them.nearest_other_subject[1][listed] + 1e-12).all()
