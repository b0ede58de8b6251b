"""HTML reports of a check of a gallery and of clustered pictures, and folders of clustered pictures."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from semelha.embedders import Source, as_pictures
from semelha.errors import PictureError, SemelhaError, UsageError
from semelha.files import atomic_folder
from semelha.gallery.curation.check import Check, Finding
from semelha.gallery.curation.cluster import Cluster, Clustering
from semelha.gallery.gallery import Gallery
from semelha.html import escape, figure, write_page
from semelha.images import Picture
from semelha.language import Words, words_in

MAX_ITEMS = 100  # findings of a kind, clusters, or skipped files in a report
MAX_PICTURES = 24  # of a cluster


def write_check_report(
    check: Check, gallery: Gallery, path: str | os.PathLike[str], *, language: str | None = None
) -> Path:
    """Write an HTML report of a check, with the pictures of each finding.

    The gallery is the one that was checked; if it keeps no pictures, the report has none. The language is "en" or
    "pt-BR"; None is that of the locale. An existing file is replaced. Raises `UsageError` for another language, and
    `SemelhaError` if the file cannot be written.
    """
    words = words_in(language)
    title = words.t("check.title", name=escape(gallery.path.name))
    lead = words.t("check.lead", n=len(check.findings), examples=check.examples, subjects=check.subjects)
    kinds = sorted({one.kind for one in check.findings}, key=lambda kind: -check.of(kind)[0].score)
    sections = [_findings(check.of(kind), gallery, words) for kind in kinds]
    nothing = [f'<p class="note">{words.t("check.no_findings")}</p>']
    verdict = check.verdict(words.language)
    return write_page(path, title, lead, sections or nothing, words=words, verdict=verdict, levels="check.level")


def write_clusters_report(
    clustering: Clustering,
    pictures: Sequence[Source],
    path: str | os.PathLike[str],
    *,
    language: str | None = None,
) -> Path:
    """Write an HTML report with the pictures of each cluster.

    The pictures are those that were passed to `Gallery.cluster`. The language is "en" or "pt-BR"; None is that of the
    locale. An existing file is replaced. Raises `UsageError` for another language, and `SemelhaError` if the file
    cannot be written.
    """
    words = words_in(language)
    new = [one for one in clustering if not one.known]
    known = [one for one in clustering if one.known]
    threshold = words.localized(f"{clustering.threshold:.3g}")
    lead = words.t("clusters.lead", n=sum(len(one.pictures) for one in clustering), threshold=threshold)
    sections = [
        _clusters(words.t(key, n=len(some)), some, pictures, words)
        for key, some in (("clusters.new", new), ("clusters.known", known))
        if some
    ]
    if clustering.skipped:
        shown = clustering.skipped[:MAX_ITEMS]
        items = "".join(
            f'<li><b>{escape(one.name)}</b> <span lang="en">{escape(one.reason)}</span></li>' for one in shown
        )
        title = words.t("clusters.skipped", n=len(clustering.skipped))
        sections.append(f"<section><h2>{title}</h2><ul>{items}</ul></section>")
    return write_page(path, words.t("clusters.title"), lead, sections, words=words)


def _findings(found: Sequence[Finding], gallery: Gallery, words: Words) -> str:
    count = words.localized(f"{len(found):,}")
    if len(found) > MAX_ITEMS:
        count = words.t("check.first", shown=MAX_ITEMS, of=len(found))
    rows = "".join(_finding(one, gallery, words) for one in found[:MAX_ITEMS])
    return f"<section><h2>{words.t(f'kind.{found[0].kind}')} <small>{count}</small></h2>{rows}</section>"


def _finding(finding: Finding, gallery: Gallery, words: Words) -> str:
    figures = []
    for place, one in enumerate(finding.examples):
        is_suspect = place == 0 and finding.kind in ("mislabel", "outlier")
        kind = "probe" if is_suspect else "right" if one.subject == finding.subjects[-1] else "wrong"
        figures.append(figure(_kept_picture(gallery, one.number), kind, one.subject, tooltip=one.source))
    a, b = (f"<bdi>{escape(name)}</bdi>" for name in (finding.subjects[0], finding.subjects[-1]))
    message = words.t(f"finding.{finding.kind}", a=a, b=b)
    sentence = f'<p class="note"><b>{words.localized(finding.score_text)}</b> {message}</p>'
    return f'{sentence}<div class="row">{"".join(figures)}</div>'


def _clusters(title: str, clusters: Sequence[Cluster], pictures: Sequence[Source], words: Words) -> str:
    rows = "".join(_cluster(one, pictures, words) for one in clusters[:MAX_ITEMS])
    return f"<section><h2>{title}</h2>{rows}</section>"


def _cluster(cluster: Cluster, pictures: Sequence[Source], words: Words) -> str:
    figures = []
    for place in cluster.pictures[:MAX_PICTURES]:
        (picture,) = as_pictures([pictures[place]], first=place)
        figures.append(figure(picture, "right", picture.name, tooltip=picture.name))
    about = [words.t("clusters.pictures", n=len(cluster.pictures))]
    if cluster.distance is not None:
        about.append(words.t("clusters.apart", distance=words.localized(f"{cluster.distance:.3g}")))
    head = f"<b>{escape(cluster.subject)}</b> {', '.join(about)}"
    return f'<p class="note">{head}</p><div class="row">{"".join(figures)}</div>'


def _kept_picture(gallery: Gallery, example: int) -> Picture | None:
    """The copy that the gallery keeps of an example."""
    file = gallery.picture(example)
    try:
        return None if file is None else as_pictures([file])[0]
    except PictureError:
        return None


def export_clusters(clustering: Clustering, pictures: Sequence[Source], out: str | os.PathLike[str]) -> Path:
    """Copy the pictures of each cluster into `out/<subject>/`.

    Rename folders and move pictures as needed, then enroll them with `Gallery.enroll_dataset(out)`. Either all pictures
    are copied or none.

    The pictures are those that were passed to `Gallery.cluster`. Files are copied unchanged; other pictures, and crops
    of files, are written as PNG. Raises `UsageError` if `out` exists or the name of a subject cannot name a folder, and
    `SemelhaError` if the folders cannot be written.
    """
    target = Path(out)
    if target.exists() or target.is_symlink():
        raise UsageError(f"out is {target}, which exists already: pass a folder to create")
    for one in clustering:
        if one.subject.startswith(".") or "/" in one.subject or os.sep in one.subject or "\0" in one.subject:
            raise UsageError(f"no folder can be named {one.subject!r}: rename the subject first")
    with atomic_folder(target, private=True, error=SemelhaError) as partial:
        for one in clustering:
            folder = partial / one.subject
            folder.mkdir()
            for place in one.pictures:
                (picture,) = as_pictures([pictures[place]], first=place)
                _copy(picture, folder, place)
    return target


def _copy(picture: Picture, folder: Path, place: int) -> None:
    """Copy a picture under its name, preceded by its position if the name is taken."""
    source, name = picture.source, Path(picture.name).name or "picture"
    is_file = isinstance(source, Path) and picture.box is None
    name = name if is_file else f"{Path(name).stem}.png"
    target = folder / name
    if name.startswith(".") or target.exists():
        target = folder / f"{place}-{name}"
    if isinstance(source, Path) and is_file:
        shutil.copyfile(source, target)
    else:
        Image.fromarray(picture.pixels()).save(target, "PNG")
