"""Commands about galleries: enroll, identify, verify, calibrate, subjects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rich.markup import escape
from rich.table import Table
from typer import Argument, Exit, Option, Typer, confirm

from semelha.cli.merging import merge_subjects, merges_of_subjects, tell_merge, undo_merge
from semelha.cli.output import GalleryPath, Json, print_json, progress_bars, read, stderr, stdout
from semelha.cli.rejections import rejections_of_subject, withdraw_rejection
from semelha.errors import IndexFileError, SubjectExists, UsageError
from semelha.gallery import Enrollment, Gallery
from semelha.images import Picture, Skipped
from semelha.recognition import NEAREST, SCORINGS, Identification, Scoring
from semelha.recognition.calibration import min_sample_size

subjects = Typer(no_args_is_help=True, help="List, rename, merge or remove what is enrolled.")


def enroll(
    gallery: GalleryPath,
    subject: Annotated[str | None, Argument(help="Name of the thing.")] = None,
    pictures: Annotated[list[Path] | None, Argument(help="Pictures of it.")] = None,
    folder: Annotated[Path | None, Option("--from", help="Enroll every class of a folder or manifest.")] = None,
    model: Annotated[Path | None, Option(help="Model of a gallery that is made now.")] = None,
    keep_pictures: Annotated[bool, Option(help="For a gallery made now: keep small copies of the pictures.")] = True,
    json: Json = False,
) -> None:
    """Add pictures of a thing, or of many; the gallery is made where there is none and a model is given.

    Example: semelha enroll shop --model model granny-smith a.jpg b.jpg

    Example: semelha enroll shop --from catalogue
    """
    if (folder is None) == (subject is None) or (subject is not None and not pictures):
        raise UsageError("say what to enroll: NAME PICTURES…, or --from FOLDER")
    dataset = None if folder is None else read(folder)
    with _opened_or_made(gallery, model, keep_pictures) as opened:
        if dataset is not None:
            with progress_bars() as bar:
                done = opened.enroll_dataset(dataset, progress=bar("enrolling"))
                bar("bringing the index up to date")
                _settle(opened)
        else:
            done = [opened.enroll(subject or "", list(pictures or []))]
        total = len(opened)
    if json:
        print_json({"enrolled": [vars(one) for one in done], "subjects": total})
        return
    _tell(done)
    added = sum(one.added for one in done)
    stdout.print(f"{added} examples added to {len(done)} subjects; {total} subjects in [bold]{escape(str(gallery))}[/]")


def identify(
    gallery: GalleryPath,
    pictures: Annotated[list[Path], Argument(help="Pictures of one thing each.")],
    k: Annotated[int, Option("-k", help="Candidates to list.", min=1)] = 5,
    json: Json = False,
) -> None:
    """Name what pictures show, or say that it is unknown. Files that cannot be used are told, and end in state 1.

    Example: semelha identify shop new.jpg
    """
    with Gallery.open(gallery) as opened, progress_bars() as bar:
        given = [Picture(path, "", str(path)) for path in pictures]
        skipped: list[Skipped] | None = [] if len(given) > 1 else None
        found = opened.identify_many(given, k=k, progress=bar("identifying"), skipped=skipped)
    bad = {one.name: one.reason for one in skipped or ()}
    names = [one.name for one in given if one.name not in bad]
    if json:
        named = [{"picture": name, **one.to_json()} for name, one in zip(names, found, strict=True)]
        print_json({"identifications": named, "skipped": [vars(one) for one in skipped or ()]})
    else:
        _show(names, found)
    for reason in bad.values():
        stderr.print(f"[yellow]note:[/] {escape(reason)}")
    if bad:
        raise Exit(1)


def _show(names: list[str], found: list[Identification]) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("picture", "decision", "subject", "distance", "p", "right", "candidates"):
        table.add_column(column)
    for name, one in zip(names, found, strict=True):
        table.add_row(escape(name), *_cells(one))
    stdout.print(table)
    for note in sorted({one.note for one in found}):
        stdout.print(f"[dim]{escape(note)}[/]")


def verify(
    gallery: GalleryPath,
    picture: Annotated[Path, Argument(help="A picture.")],
    other: Annotated[Path | None, Argument(help="Another picture.")] = None,
    subject: Annotated[str | None, Option(help="Compare with an enrolled subject instead.")] = None,
    json: Json = False,
) -> None:
    """Do two pictures show the same thing, or does a picture show a subject?

    Example: semelha verify shop new.jpg --subject granny-smith
    """
    if (other is None) == (subject is None):
        raise UsageError("say what to compare with: another picture, or --subject NAME")
    with Gallery.open(gallery) as opened:
        found = opened.verify_subject(picture, subject) if subject else opened.verify(picture, other or "")
    if json:
        print_json(found.to_json())
        return
    word = {True: "[green]the same[/]", False: "[yellow]not the same[/]", None: "not decided"}[found.same]
    p_value = "" if found.p_value is None else f", p {found.p_value:.3f}"
    stdout.print(f"{word}  (distance {found.distance:.3f}{p_value})\n[dim]{escape(found.note)}[/]")


def calibrate(
    gallery: GalleryPath,
    fpir: Annotated[float, Option(help="Part of strangers that may be named as somebody enrolled.")] = 0.01,
    strangers: Annotated[Path | None, Option(help="Folder of things that are not enrolled, one folder each.")] = None,
    confirmed: Annotated[
        Path | None,
        Option(help="Folder of new pictures of enrolled things, strangers to all others."),
    ] = None,
    uncertain: Annotated[float | None, Option(help="A second rate: up to it answers are uncertain.")] = None,
    scoring: Annotated[str, Option(help=f"How near a subject is: choose, {', '.join(s.name for s in SCORINGS)}.")] = (
        NEAREST.name
    ),
    probes: Annotated[Path | None, Option(help="Folder of known pictures to test the calibration on.")] = None,
    seed: Annotated[int, Option(help="Seed of the draws.", min=0)] = 0,
    json: Json = False,
) -> None:
    """Let the gallery say "unknown", at a rate of false positives of your choice.

    Example: semelha calibrate shop --fpir 0.01

    Example: semelha calibrate shop --fpir 0.01 --uncertain 0.1 --scoring choose
    """
    wanted = None if scoring == "choose" else Scoring.from_name(scoring)
    given = [None if path is None else read(path) for path in (strangers, confirmed, probes)]
    with Gallery.open(gallery) as opened:
        found = opened.calibrate(
            fpir=fpir, strangers=given[0], uncertain=uncertain, scoring=wanted, confirmed=given[1], seed=seed
        )
        tested = None if given[2] is None else opened.mismatch(given[2], seed=seed)
    least = min_sample_size(fpir, found.kind)
    low, high = found.interval()
    if json:
        told = {"kind": found.kind, "fpir": fpir, "uncertain": uncertain, "n": found.n, "needed": least}
        why = {"interval": [low, high], "scoring": found.scoring.name, "assumption": found.assumption}
        print_json(
            {
                **told,
                **why,
                "fnir": found.choice and found.choice.fnir,
                "mismatch": None if tested is None else vars(tested),
            }
        )
        return
    stood_in = found.kind if confirmed is None else "given pictures"
    stdout.print(
        f"Calibrated for FPIR {fpir:g} on {found.n} {stood_in} (at least {least} are needed); the rate of this "
        f"gallery lies between {low:.1%} and {high:.1%}, with 95% confidence. Scoring: {found.scoring.name}."
    )
    if found.choice is not None:
        ranked = sorted(found.choice.fnir.items(), key=lambda item: item[1])
        misses = ", ".join(f"{name} {part:.1%}" for name, part in ranked)
        stdout.print(
            f"Chosen on {found.choice.subjects} {'subjects' if strangers or confirmed else 'other subjects'}: the "
            f"simplest that is hardly worse than the best, by the part of probes that is missed: {misses}."
        )
    stdout.print(f"[dim]{escape(found.assumption)}[/]")
    if tested is not None:
        stdout.print(escape(tested.message))


@subjects.command("list")
def list_subjects(gallery: GalleryPath, json: Json = False) -> None:
    """List what is enrolled.

    Example: semelha subjects list shop
    """
    with Gallery.open(gallery) as opened:
        found = opened.subjects()
    if json:
        print_json({"subjects": [vars(one) for one in found]})
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("subject", "examples", "since"):
        table.add_column(column, justify="right" if column == "examples" else "left")
    for one in found:
        table.add_row(escape(one.name), str(one.examples), one.created)
    stdout.print(table)
    stdout.print(f"[dim]{len(found)} subjects[/]")


@subjects.command("rename")
def rename_subject(
    gallery: GalleryPath,
    old: Annotated[str, Argument(help="Its name.")],
    new: Annotated[str, Argument(help="The name it gets.")],
    merge: Annotated[bool, Option("--merge", help="Merge it into a subject that has the name already.")] = False,
) -> None:
    """Give a subject another name; where another subject has that, ask whether they are one.

    Example: semelha subjects rename shop granny-smith "Granny Smith"
    """
    with Gallery.open(gallery) as opened:
        try:
            opened.rename(old, new)
        except SubjectExists:
            if not merge and not confirm(f"A subject is called {new} already. Merge {old} into it?", err=True):
                raise Exit(1) from None
            tell_merge(opened, opened.merge(old, new))
            return
    stdout.print(f"{escape(old)} is now [bold]{escape(new)}[/]")


@subjects.command("remove")
def remove_subject(
    gallery: GalleryPath,
    name: Annotated[str, Argument(help="Its name.")],
    yes: Annotated[bool, Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a subject with its examples and pictures.

    Example: semelha subjects remove shop granny-smith --yes
    """
    if not yes and not confirm(f"Remove {name} and its pictures for good?", err=True):
        raise Exit(1)
    with Gallery.open(gallery) as opened:
        count = opened.remove(name)
    stdout.print(f"[bold]{escape(name)}[/] removed with {count} examples")


subjects.command("merge")(merge_subjects)
subjects.command("undo")(undo_merge)
subjects.command("merges")(merges_of_subjects)
subjects.command("rejections")(rejections_of_subject)
subjects.command("withdraw")(withdraw_rejection)


def _opened_or_made(path: Path, model: Path | None, keep_pictures: bool) -> Gallery:
    if model is None or path.exists():
        return Gallery.open(path)
    return Gallery.create(path, model, keep_pictures=keep_pictures)


def _settle(gallery: Gallery) -> None:
    try:
        gallery.flush()
    except IndexFileError as error:  # everything is enrolled; the next who opens the gallery tries again
        stderr.print(f"[yellow]note:[/] the index is not saved: {escape(str(error))}")


def _cells(one: Identification) -> tuple[str, ...]:
    color = {"known": "green", "uncertain": "magenta", "unknown": "yellow", "uncalibrated": "cyan"}[one.decision]
    after = one.candidates[0 if one.subject is None else 1 :][:3]
    others = ", ".join(f"{escape(each.subject)} {each.distance:.3f}" for each in after)
    return (
        f"[{color}]{one.decision}[/]",
        "–" if one.subject is None else f"[bold]{escape(one.subject)}[/]",
        "–" if one.distance is None else f"{one.distance:.3f}",
        "–" if one.p_value is None else f"{one.p_value:.3f}",
        "–" if one.probability is None else f"{one.probability:.2f}",
        others,
    )


def _tell(done: list[Enrollment]) -> None:
    for one in done:
        for warning in one.warnings:
            stderr.print(f"[yellow]note:[/] {escape(warning)}")
        for duplicate in one.duplicates:
            stderr.print(f"[yellow]note:[/] {escape(duplicate)} is an example of {escape(one.subject)} already")
