"""Commands for the curation of a gallery: check, cluster."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from rich.markup import escape
from typer import Argument, Option

from semelha.cli.output import (
    GalleryPath,
    Json,
    Report,
    Seed,
    load_dataset,
    make_table,
    note,
    print_json,
    print_report,
    progress_bars,
    stdout,
)
from semelha.gallery import Finding, Gallery, export_clusters

MAX_ROWS = 20


def check(
    gallery: GalleryPath,
    report: Report = None,
    min_score: Annotated[float, Option(help="Lowest score of a finding.", min=0.0, max=1.0)] = 0.5,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Find wrong labels, near-duplicates, outliers, and subjects to merge or split, with commands that repair them.

    Example: semelha check shop --report check.html
    """
    with Gallery(gallery) as opened:
        found = opened.check(min_score=min_score, seed=seed)
        if report is not None:
            from semelha.gallery.curation.report import write_check_report

            write_check_report(found, opened, report)
    if json:
        print_json(found.to_json())
        return
    shown = found.findings[:MAX_ROWS]
    if shown:
        table = make_table("score", "kind", "example", "finding", right=("score",))
        for one in shown:
            sources = [each.source for each in one.examples[: 1 if one.kind in ("mislabel", "outlier") else 2]]
            table.add_row(f"{one.score:.2f}", one.kind, escape(", ".join(sources)), escape(one.message))
        stdout.print(table)
        commands = [command for one in shown if (command := _repair(one, gallery))]
        if commands:
            stdout.print("\nIf they are right, these commands repair them:")
        for command in commands:
            stdout.print(f"  {escape(command)}", soft_wrap=True)
    more = f" ({len(found.findings) - MAX_ROWS} more)" if len(found.findings) > MAX_ROWS else ""
    stdout.print(
        f"[dim]{len(found.findings)} findings{more} in {found.examples} examples of {found.subjects} subjects[/]"
    )
    if found.single_example_subjects:
        stdout.print(
            f"[dim]{found.single_example_subjects} subjects have one example; their labels cannot be checked[/]"
        )
    print_report(report)


def _repair(finding: Finding, gallery: Path) -> str | None:
    """The command that repairs a finding; None for a split, which needs a decision about each example."""
    number, subjects = str(finding.examples[0].example), finding.subjects
    words = {
        "mislabel": ("move-example", str(gallery), number, subjects[-1]),
        "outlier": ("remove-example", str(gallery), number),
        "duplicate": ("remove-example", str(gallery), number),
        "merge": ("merge", str(gallery), *subjects),
    }.get(finding.kind)
    return None if words is None else shlex.join(("semelha", "subjects", *words))


def cluster(
    gallery: GalleryPath,
    photos: Annotated[Path, Argument(metavar="PHOTOS", help="Folder of pictures, or a CSV manifest.")],
    out: Annotated[Path | None, Option(help="Folder to create, with copies by subject for `enroll --from`.")] = None,
    report: Report = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Group pictures by subject: subjects that the gallery knows, and new ones.

    Example: semelha cluster shop photos --out proposed --report proposed.html
    """
    dataset = load_dataset(photos, labelled=False)
    with Gallery(gallery) as opened, progress_bars() as bar:
        found = opened.cluster(dataset.pictures, seed=seed, progress=bar("embedding"))
    for skipped in found.skipped:
        note(f"skipped: {skipped.reason}")
    found = replace(found, skipped=(*dataset.skipped, *found.skipped))
    if out is not None:
        export_clusters(found, dataset.pictures, out)
    if report is not None:
        from semelha.gallery.curation.report import write_clusters_report

        write_clusters_report(found, dataset.pictures, report)
    if json:
        print_json(found.to_json())
        return
    table = make_table("subject", "", "pictures", "distance", "example", right=("pictures", "distance"))
    for one in found.clusters[:MAX_ROWS]:
        distance = "–" if one.distance is None else f"{one.distance:.3f}"
        word = "known" if one.known else "new"
        table.add_row(escape(one.subject), word, str(len(one.pictures)), distance, escape(found.names[one.pictures[0]]))
    stdout.print(table)
    more = f" ({len(found) - MAX_ROWS} more)" if len(found) > MAX_ROWS else ""
    stdout.print(f"[dim]{len(found)} subjects{more}; {escape(found.note)}[/]")
    if out is not None:
        stdout.print(f"Folders: [bold]{escape(str(out))}[/]")
    print_report(report)
