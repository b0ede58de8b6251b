"""Pages about a gallery: what may be wrong with it, and how unknown pictures were grouped."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path

from semelha._version import __version__
from semelha.embedders import Source, as_pictures
from semelha.errors import PictureError, SemelhaError
from semelha.evaluation.report.pictures import SIDE, data
from semelha.gallery import Check, Cluster, Clustering, Finding, Gallery
from semelha.images import Picture

MOST = 100  # findings of a kind, and clusters, that are shown
PICTURES = 24  # of a cluster

TITLES = {
    "mislabel": "Examples that seem to be of another subject",
    "merge": "Two subjects that seem to be one",
    "split": "Subjects that seem to be two",
    "duplicate": "Nearly the same picture under two subjects",
    "outlier": "Examples far from everything",
}


def write_check_report(check: Check, gallery: Gallery, path: str | os.PathLike[str]) -> Path:
    """Write one HTML file that shows what may be wrong with a gallery, the surest first, and needs nothing beside it.

    Parameters
    ----------
    check : Check
    gallery : Gallery
        That it is of; where it keeps no pictures, their places are empty.
    path : path
        Of the file to write; replaced if there.

    Raises
    ------
    SemelhaError
        The file cannot be written.
    """
    title = f"A look over {escape(gallery.path.name)}"
    lead = f"{check.examples:,} examples of {check.subjects:,} subjects; {len(check.findings):,} findings."
    kinds = sorted({one.kind for one in check.findings}, key=lambda kind: -check.of(kind)[0].score)
    sections = [_findings(check.of(kind), gallery) for kind in kinds]
    return _written(path, title, lead, sections or ['<p class="note">Nothing was found.</p>'])


def write_clusters_report(clustering: Clustering, pictures: Sequence[Source], path: str | os.PathLike[str]) -> Path:
    """Write one HTML file with the pictures of each cluster.

    Parameters
    ----------
    clustering : Clustering
    pictures : sequence of picture
        Those that were given to `Gallery.cluster`.
    path : path
        Of the file to write; replaced if there.

    Raises
    ------
    SemelhaError
        The file cannot be written.
    """
    new = [one for one in clustering if not one.known]
    known = [one for one in clustering if one.known]
    lead = f"{sum(len(one.pictures) for one in clustering):,} pictures; {escape(clustering.note)}."
    sections = [
        _clusters(f"{len(some):,} {what}", some, pictures)
        for what, some in (("proposed subjects", new), ("subjects that the gallery knows", known))
        if some
    ]
    if clustering.skipped:
        items = "".join(f"<li><b>{escape(one.name)}</b> {escape(one.reason)}</li>" for one in clustering.skipped[:MOST])
        sections.append(f"<section><h2>{len(clustering.skipped):,} files left out</h2><ul>{items}</ul></section>")
    return _written(path, "Unknown pictures, in groups", lead, sections)


def _findings(found: Sequence[Finding], gallery: Gallery) -> str:
    head = f"{escape(TITLES[found[0].kind])} <small>{_told(len(found))}</small>"
    return f"<section><h2>{head}</h2>{''.join(_finding(one, gallery) for one in found[:MOST])}</section>"


def _finding(finding: Finding, gallery: Gallery) -> str:
    figures = []
    for place, one in enumerate(finding.examples):
        accused = place == 0 and finding.kind in ("mislabel", "outlier")
        kind = "probe" if accused else "right" if one.subject == finding.subjects[-1] else "wrong"
        figures.append(_figure(_image(_kept(gallery, one.example)), kind, one.subject, one.source))
    sentence = f'<p class="note"><b>{finding.score:.2f}</b> {escape(finding.sentence)}</p>'
    return f'{sentence}<div class="row">{"".join(figures)}</div>'


def _clusters(title: str, clusters: Sequence[Cluster], pictures: Sequence[Source]) -> str:
    rows = "".join(_cluster(one, pictures) for one in clusters[:MOST])
    return f"<section><h2>{title}</h2>{rows}</section>"


def _cluster(cluster: Cluster, pictures: Sequence[Source]) -> str:
    figures = []
    for place in cluster.pictures[:PICTURES]:
        (picture,) = as_pictures([pictures[place]], first=place)
        figures.append(_figure(_image(picture), "right", picture.name, picture.name))
    apart = "" if cluster.distance is None else f", mean distance {cluster.distance:.3g}"
    head = f"<b>{escape(cluster.subject)}</b> {len(cluster.pictures):,} pictures{apart}"
    return f'<p class="note">{head}</p><div class="row">{"".join(figures)}</div>'


def _told(count: int) -> str:
    return f"{count:,}" if count <= MOST else f"the first {MOST} of {count:,}"


def _kept(gallery: Gallery, example: int) -> Picture | None:
    """The copy that the gallery keeps of an example."""
    file = gallery.picture(example)
    try:
        return None if file is None else as_pictures([file])[0]
    except PictureError:
        return None


def _image(picture: Picture | None) -> str:
    """The picture, or an empty place where there is none that can be shown."""
    empty = f'<svg width="{SIDE}" height="{SIDE}" role="img"></svg>'
    if picture is None:
        return empty
    try:
        return f'<img src="{data(picture)}" alt="" loading="lazy" width="{SIDE}" height="{SIDE}">'
    except PictureError:
        return empty


def _figure(image: str, kind: str, label: str, source: str) -> str:
    caption = f'<figcaption title="{escape(source)}"><b>{escape(label)}</b></figcaption>'
    return f'<figure class="{kind}">{image}{caption}</figure>'


def _written(path: str | os.PathLike[str], title: str, lead: str, sections: Sequence[str]) -> Path:
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            file.writelines(_page(title, lead, sections))
        partial.replace(target)
    except OSError as error:
        raise SemelhaError(f"the report cannot be written to {target}: {error.strerror or error}") from error
    return target


def _page(title: str, lead: str, sections: Sequence[str]) -> Iterator[str]:
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{title}</title>\n<style>{style}</style>\n</head>\n'
        f"<body>\n<header>\n<h1>{title}</h1>\n<p>{lead}</p>\n</header>\n<main>\n"
    )
    yield from sections
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    yield f"</main>\n<footer>semelha {__version__} · {when}</footer>\n</body>\n</html>\n"
