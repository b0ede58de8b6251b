"""Commands that look after a gallery: check, cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from rich.markup import escape
from rich.table import Table
from typer import Argument, Option

from semelha.cli.output import GalleryPath, Json, print_json, progress_bars, read, stderr, stdout
from semelha.gallery import Gallery, export_clusters

Seed = Annotated[int, Option(help="Seed of the draws.", min=0)]
Report = Annotated[Path | None, Option(help="HTML report to write.")]
TOLD = 20


def check(
    gallery: GalleryPath,
    report: Report = None,
    min_score: Annotated[float, Option(help="Score from which on something is told.", min=0.0, max=1.0)] = 0.5,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Look for wrong labels, near-duplicates, outliers, and subjects that seem to be one or two.

    Example: semelha check shop --report check.html
    """
    with Gallery.open(gallery) as opened:
        found = opened.check(min_score=min_score, seed=seed)
        if report is not None:
            from semelha.gallery.curation.report import write_check_report

            write_check_report(found, opened, report)
    if json:
        print_json(found.to_json())
        return
    if found.findings:
        table = Table(box=None, header_style="dim", pad_edge=False)
        for column in ("score", "kind", "example", "what"):
            table.add_column(column, justify="right" if column == "score" else "left")
        for one in found.findings[:TOLD]:
            alone = one.kind in ("mislabel", "outlier")
            about = ", ".join(each.source for each in one.examples[: 1 if alone else 2])
            table.add_row(f"{one.score:.2f}", one.kind, escape(about), escape(one.message))
        stdout.print(table)
    more = f", {len(found.findings) - TOLD} of them not shown here" if len(found.findings) > TOLD else ""
    stdout.print(
        f"[dim]{len(found.findings)} findings{more}, in {found.examples} examples of {found.subjects} subjects[/]"
    )
    if found.single_example_subjects:
        stdout.print(
            f"[dim]{found.single_example_subjects} subjects have one example: nothing can be told of its label[/]"
        )
    _tell_report(report)


def cluster(
    gallery: GalleryPath,
    photos: Annotated[Path, Argument(metavar="PHOTOS", help="Folder of pictures, or a CSV manifest.")],
    out: Annotated[Path | None, Option(help="Folder to make, with copies by subject for `enroll --from`.")] = None,
    report: Report = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Put pictures of unknown things into groups, each a subject that is proposed; those that are known are told apart.

    Example: semelha cluster shop photos --out proposed --report proposed.html
    """
    dataset = read(photos, labelled=False)
    with Gallery.open(gallery) as opened, progress_bars() as bar:
        found = opened.cluster(dataset.pictures, seed=seed, progress=bar("embedding"))
    for skipped in found.skipped:
        stderr.print(f"[yellow]note:[/] left out: {escape(skipped.reason)}")
    found = replace(found, skipped=(*dataset.skipped, *found.skipped))
    if out is not None:
        export_clusters(found, dataset.pictures, out)
    if report is not None:
        from semelha.gallery.curation.report import write_clusters_report

        write_clusters_report(found, dataset.pictures, report)
    if json:
        print_json(found.to_json())
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("subject", "", "pictures", "distance", "such as"):
        table.add_column(column, justify="right" if column in ("pictures", "distance") else "left")
    for one in found.clusters[:TOLD]:
        apart = "–" if one.distance is None else f"{one.distance:.3f}"
        word = "known" if one.known else "new"
        table.add_row(escape(one.subject), word, str(len(one.pictures)), apart, escape(found.names[one.pictures[0]]))
    stdout.print(table)
    more = f", the first {TOLD} of them here" if len(found) > TOLD else ""
    stdout.print(f"[dim]{len(found)} subjects{more}; {escape(found.note)}[/]")
    if out is not None:
        stdout.print(f"Folders: [bold]{escape(str(out))}[/]")
    _tell_report(report)


def _tell_report(report: Path | None) -> None:
    if report is not None:
        stdout.print(f"Report: [bold]{escape(str(report))}[/]")
