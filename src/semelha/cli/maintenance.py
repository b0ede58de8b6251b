"""Commands for the maintenance of a gallery: check, cluster, migrate, index."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

from rich.filesize import decimal
from typer import Argument, Option

from semelha.cli.console import escape
from semelha.cli.output import (
    GalleryPath,
    Json,
    Language,
    Layout,
    ReportPath,
    Seed,
    Split,
    check_outputs,
    load_dataset,
    make_table,
    note,
    print_json,
    print_report_path,
    print_verdict,
    progress_bars,
    stderr,
    stdout,
)
from semelha.errors import UsageError
from semelha.gallery import (
    Check,
    Clustering,
    Finding,
    Gallery,
    export_clusters,
    write_check_report,
    write_clusters_report,
)
from semelha.gallery import migrate as migrate_gallery
from semelha.language import words_in

MAX_ROWS = 20
MAX_MISSING = 5  # examples without a picture to name


def check(
    gallery: GalleryPath,
    report: ReportPath = None,
    min_score: Annotated[float, Option(help="Lowest score of a finding.", min=0.0, max=1.0)] = 0.5,
    seed: Seed = 0,
    language: Language = None,
    json: Json = False,
) -> None:
    """Find wrong labels, near-duplicates, outliers, and subjects to merge or split, with commands that repair them.

    Example: semelha check shop --report check.html
    """
    check_outputs(report)
    spoken = words_in(language).language
    with Gallery(gallery) as opened:
        found = opened.check(min_score=min_score, seed=seed)
        verdict = found.verdict(spoken)
        if json:
            print_json({**found.to_json(), "verdict": verdict.to_json()})
        else:
            print_verdict(verdict)
            _print_findings(found, gallery)
        if report is not None:  # last, so that the findings are not lost if it cannot be written
            write_check_report(found, opened, report, language=spoken)
            print_report_path(report, json)


def _print_findings(found: Check, gallery: Path) -> None:
    shown = found.findings[:MAX_ROWS]
    if shown:
        table = make_table("score", "kind", "example", "finding", right=("score",))
        for one in shown:
            sources = [each.source for each in one.examples[: 1 if one.kind in ("mislabel", "outlier") else 2]]
            table.add_row(one.score_text, one.kind, escape(", ".join(sources)), escape(one.message))
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


def _repair(finding: Finding, gallery: Path) -> str | None:
    """The command that repairs a finding; None for a split, which needs a decision about each example."""
    number, subjects = str(finding.examples[0].number), finding.subjects
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
    layout: Layout = None,
    split: Split = None,
    report: ReportPath = None,
    seed: Seed = 0,
    language: Language = None,
    json: Json = False,
) -> None:
    """Group pictures by subject: subjects that the gallery knows, and new ones.

    Example: semelha cluster shop photos --out proposed --report proposed.html
    """
    check_outputs(report, folder=out, error=UsageError)
    spoken = words_in(language).language
    dataset = load_dataset(photos, labelled=False, layout=layout, split=split)
    with Gallery(gallery) as opened, progress_bars() as bar:
        found = opened.cluster(dataset.pictures, seed=seed, progress=bar("embedding"))
    for skipped in found.skipped:
        note(f"skipped: {skipped.reason}")
    found = replace(found, skipped=(*dataset.skipped, *found.skipped))
    print_json({**found.to_json(), "reading": dataset.report()}) if json else _print_clusters(found)
    if out is not None:  # last, so that the answers are not lost if it cannot be written
        export_clusters(found, dataset.pictures, out)
        (stderr if json else stdout).print(f"Folders: [bold]{escape(out)}[/]")
    if report is not None:
        write_clusters_report(found, dataset.pictures, report, language=spoken)
        print_report_path(report, json)


def _print_clusters(found: Clustering) -> None:
    table = make_table("subject", "", "pictures", "distance", "example", right=("pictures", "distance"))
    for one in found.clusters[:MAX_ROWS]:
        distance = "–" if one.distance is None else f"{one.distance:.3f}"
        word = "known" if one.known else "new"
        table.add_row(escape(one.subject), word, str(len(one.pictures)), distance, escape(found.names[one.pictures[0]]))
    stdout.print(table)
    more = f" ({len(found) - MAX_ROWS} more)" if len(found) > MAX_ROWS else ""
    stdout.print(f"[dim]{len(found)} subjects{more}; {escape(found.note)}[/]")


def migrate(
    gallery: GalleryPath,
    model: Annotated[Path, Option(help="Folder of the new model.")],
    pictures: Annotated[
        Path | None, Option(help="Folder or CSV manifest of original pictures, used before the copies in the gallery.")
    ] = None,
    drop_missing: Annotated[bool, Option("--drop-missing", help="Remove examples without a picture for good.")] = False,
    strangers: Annotated[
        Path | None, Option(help="Folder or CSV manifest of things that are not enrolled, to calibrate on again.")
    ] = None,
    confirmed: Annotated[
        Path | None, Option(help="Folder or CSV manifest of new pictures of enrolled subjects, to calibrate on again.")
    ] = None,
    uncalibrated: Annotated[
        bool, Option("--uncalibrated", help="Migrate even if the gallery cannot be calibrated afterwards.")
    ] = False,
    layout: Layout = None,
    split: Split = None,
    json: Json = False,
) -> None:
    """Move a gallery to a new model. It can be used during the migration; an interrupted migration resumes.

    Example: semelha migrate shop --model new-model
    """
    datasets = [
        None if path is None else load_dataset(path, use="probes", layout=layout, split=split)
        for path in (strangers, confirmed)
    ]
    originals = () if pictures is None else load_dataset(pictures, labelled=False, layout=layout)
    with progress_bars() as bar:
        done = migrate_gallery(
            gallery,
            model,
            pictures=originals,
            drop_missing=drop_missing,
            strangers=datasets[0],
            confirmed=datasets[1],
            uncalibrated=uncalibrated,
            progress=bar,
        )
    if json:
        print_json(asdict(done))
        return
    for warning in done.warnings:
        note(warning)
    if not done.migrated:
        stdout.print(f"[bold]{escape(str(gallery))}[/] already uses this model: there is nothing to do.")
        return
    if done.dropped:
        note(f"{len(done.dropped)} examples without a picture were removed, such as:")
        for one in done.dropped[:MAX_MISSING]:
            stderr.print(f"  {escape(one)}")
    by_originals = "" if pictures is None else f", {done.originals} of them from original pictures"
    stdout.print(
        f"[bold]{escape(str(gallery))}[/] now uses the model {done.model[:12]}, before {done.previous_model[:12]}: "
        f"{done.examples} examples of {done.subjects} subjects{by_originals}."
    )
    if not done.calibrated:
        stdout.print(f"It is not calibrated. Next: semelha calibrate {escape(str(gallery))}", style="dim")


def index(
    gallery: GalleryPath,
    rebuild: Annotated[bool, Option("--rebuild", help="Build the index again, in one segment.")] = False,
    recall: Annotated[
        float | None,
        Option(help="Fraction of the nearest neighbors to find, 1 for all. Saved.", show_default="as saved, or 0.99"),
    ] = None,
    json: Json = False,
) -> None:
    """Update the index of a gallery on disk, and show its segments.

    Example: semelha index shop
    """
    with Gallery(gallery, recall=recall) as opened, progress_bars() as bar:
        bar("updating the index")
        opened.flush(rebuild=rebuild)
        found: dict[str, Any] = opened.index_stats()
    if json:
        print_json(found)
        return
    columns = ("segment", "state", "vectors", "removed", "size", "recall", "why")
    table = make_table(*columns, right=columns[2:6])
    for one in found["segments"]:
        recalled = f"{one['recall']:.3f}" if "recall" in one else "all"
        numbers = f"{one['vectors']:,}", f"{one['removed']:,}", decimal(one["bytes"]), recalled
        table.add_row(one["kind"], one["state"], *numbers, escape(one.get("why", "few; scanned until merged")))
    stdout.print(table)
    saved = "saved on disk" if found["on_disk"] == found["change"] else "too few to save on disk"
    stdout.print(
        f"[dim]{found['vectors']:,} vectors, {decimal(found['bytes'])}, {saved}; target recall {found['recall']:g}[/]"
    )
