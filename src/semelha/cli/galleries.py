"""Commands that use a gallery: enroll, identify, verify, explain, calibrate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rich.markup import escape
from typer import Argument, Exit, Option

from semelha.cli.output import (
    GalleryPath,
    Json,
    Seed,
    load_dataset,
    make_table,
    note,
    print_json,
    print_result,
    progress_bars,
    stdout,
)
from semelha.errors import IndexFileError, UsageError
from semelha.gallery import Gallery
from semelha.images import Picture, Skipped
from semelha.recognition import NEAREST, SCORINGS, Identification, Scoring
from semelha.recognition.calibration import min_sample_size

COLORS = {"known": "green", "uncertain": "magenta", "unknown": "yellow", "uncalibrated": "cyan"}
MAX_CANDIDATES = 3  # to print


def enroll(
    gallery: GalleryPath,
    subject: Annotated[str | None, Argument(help="Name of the subject.")] = None,
    pictures: Annotated[list[Path] | None, Argument(help="Pictures of the subject.")] = None,
    folder: Annotated[Path | None, Option("--from", help="Enroll every class of a folder or a CSV manifest.")] = None,
    model: Annotated[Path | None, Option(help="Model folder, to create the gallery if there is none.")] = None,
    keep_pictures: Annotated[bool, Option(help="In a new gallery, keep small copies of the pictures.")] = True,
    json: Json = False,
) -> None:
    """Add pictures of a subject, or of many. With --model, create the gallery if there is none.

    Example: semelha enroll shop --model model granny-smith a.jpg b.jpg

    Example: semelha enroll shop --from catalogue
    """
    if (folder is None) == (subject is None) or (subject is not None and not pictures):
        raise UsageError("enroll needs NAME PICTURES… or --from FOLDER")
    dataset = None if folder is None else load_dataset(folder)
    if model is not None and not gallery.exists():
        opened = Gallery.create(gallery, model, keep_pictures=keep_pictures)
    else:
        opened = Gallery(gallery)
    with opened:
        if dataset is None:
            done = [opened.enroll(subject or "", list(pictures or []))]
        else:
            with progress_bars() as bar:
                done = opened.enroll_dataset(dataset, progress=bar("enrolling"))
                bar("updating the index")
                try:
                    opened.flush()
                except IndexFileError as error:  # all is enrolled; the next process that opens the gallery tries again
                    note(f"the index is not saved: {error}")
        total = len(opened)
    if json:
        print_json({"enrolled": [vars(one) for one in done], "subjects": total})
        return
    for one in done:
        for text in (*one.warnings, *(f"{name} is already an example of {one.subject}" for name in one.duplicates)):
            note(text)
    added = sum(one.added for one in done)
    stdout.print(f"{added} examples added to {len(done)} subjects; {total} subjects in [bold]{escape(str(gallery))}[/]")


def identify(
    gallery: GalleryPath,
    pictures: Annotated[list[Path], Argument(help="Pictures of one subject each.")],
    k: Annotated[int, Option("-k", help="Number of candidates.", min=1)] = 5,
    json: Json = False,
) -> None:
    """Name the subject of each picture, or answer unknown. Skip files that cannot be used, and exit with status 1.

    Example: semelha identify shop new.jpg
    """
    probes = [Picture(path, "", str(path)) for path in pictures]
    skipped: list[Skipped] | None = [] if len(probes) > 1 else None
    with Gallery(gallery) as opened, progress_bars() as bar:
        found = opened.identify_many(probes, k=k, progress=bar("identifying"), skipped=skipped)
    reasons = {one.name: one.reason for one in skipped or ()}
    names = [one.name for one in probes if one.name not in reasons]
    if json:
        answers = [{"picture": name, **one.to_json()} for name, one in zip(names, found, strict=True)]
        print_json({"identifications": answers, "skipped": [vars(one) for one in skipped or ()]})
    else:
        table = make_table("picture", "decision", "subject", "distance", "p-value", "probability", "candidates")
        for name, one in zip(names, found, strict=True):
            table.add_row(escape(name), *_cells(one))
        stdout.print(table)
        for text in sorted({one.note for one in found}):
            stdout.print(f"[dim]{escape(text)}[/]")
    for reason in reasons.values():
        note(reason)
    if reasons:
        raise Exit(1)


def _cells(one: Identification) -> tuple[str, ...]:
    others = one.candidates[0 if one.subject is None else 1 :][:MAX_CANDIDATES]
    return (
        f"[{COLORS[one.decision]}]{one.decision}[/]",
        "–" if one.subject is None else f"[bold]{escape(one.subject)}[/]",
        "–" if one.distance is None else f"{one.distance:.3f}",
        "–" if one.p_value is None else f"{one.p_value:.3f}",
        "–" if one.probability is None else f"{one.probability:.2f}",
        ", ".join(f"{escape(each.subject)} {each.distance:.3f}" for each in others),
    )


def verify(
    gallery: GalleryPath,
    picture: Annotated[Path, Argument(help="Picture to verify.")],
    other: Annotated[Path | None, Argument(help="Another picture, to compare with.")] = None,
    subject: Annotated[str | None, Option(help="Enrolled subject, to compare with.")] = None,
    json: Json = False,
) -> None:
    """Decide whether two pictures show the same subject, or whether a picture shows an enrolled subject.

    Example: semelha verify shop a.jpg b.jpg

    Example: semelha verify shop new.jpg --subject granny-smith
    """
    if (other is None) == (subject is None):
        raise UsageError("verify needs another picture or --subject NAME")
    with Gallery(gallery) as opened:
        found = opened.verify(picture, other) if other else opened.verify_subject(picture, subject or "")
    answer = {True: "[green]the same[/]", False: "[yellow]not the same[/]", None: "not decided"}[found.same]
    p_value = "" if found.p_value is None else f", p-value {found.p_value:.3f}"
    line = f"{answer}  (distance {found.distance:.3f}{p_value})"
    print_result(json, found.to_json(), line, f"[dim]{escape(found.note)}[/]")


def explain(
    gallery: GalleryPath,
    picture: Annotated[Path, Argument(help="Picture of one subject.")],
    out: Annotated[Path | None, Option(help="PNG file to write the evidence to.")] = None,
    k: Annotated[int, Option("-k", help="Number of matching examples.", min=1)] = 3,
    json: Json = False,
) -> None:
    """Show the evidence for an answer: matching examples, the second subject, and the parts of the picture that matter.

    Example: semelha explain shop new.jpg --out evidence.png
    """
    with Gallery(gallery) as opened:
        found = opened.explain(picture, k=k)
    if out is not None:
        found.save(out)
    if json:
        print_json({"picture": str(picture), **found.to_json()})
        return
    answer = found.identification
    p_value = "" if answer.p_value is None else f", p-value {answer.p_value:.3f}"
    nearest = "; nearest is" if answer.subject is None and found.matched else ":"
    name = answer.subject or (found.matched[0].subject if found.matched else "–")
    stdout.print(f"{answer.decision}{nearest} [bold]{escape(name)}[/]{p_value}")
    table = make_table("", "subject", "distance", "example", "picture")
    second = [] if found.runner_up is None else [("second", found.runner_up)]
    for word, each in [*(("matched", each) for each in found.matched), *second]:
        kept = "not kept" if each.picture is None else "kept"
        table.add_row(word, escape(each.subject), f"{each.distance:.3f}", escape(each.source), kept)
    stdout.print(table)
    if found.margin is not None:
        stdout.print(f"The second subject is farther by {found.margin:.3f}.")
    stdout.print(f"[dim]{escape(answer.note)}[/]")
    if out is not None:
        stdout.print(f"Evidence: [bold]{escape(str(out))}[/]")


def calibrate(
    gallery: GalleryPath,
    fpir: Annotated[float, Option(help="Fraction of strangers that may be named as a subject.")] = 0.01,
    strangers: Annotated[
        Path | None, Option(help="Folder or CSV manifest of things that are not enrolled, one class each.")
    ] = None,
    confirmed: Annotated[
        Path | None, Option(help="Folder or CSV manifest of new pictures of enrolled subjects.")
    ] = None,
    uncertain: Annotated[float | None, Option(help="A second, higher rate; answers between are uncertain.")] = None,
    scoring: Annotated[
        str, Option(help=f"Score of a subject: {', '.join(s.name for s in SCORINGS)}, or choose.")
    ] = NEAREST.name,
    probes: Annotated[
        Path | None, Option(help="Folder or CSV manifest of known pictures to test the calibration on.")
    ] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Let the gallery answer unknown, at a false-positive rate of your choice.

    Example: semelha calibrate shop --fpir 0.01

    Example: semelha calibrate shop --fpir 0.01 --uncertain 0.1 --scoring choose
    """
    chosen = None if scoring == "choose" else Scoring.from_name(scoring)
    datasets = [None if path is None else load_dataset(path) for path in (strangers, confirmed, probes)]
    with Gallery(gallery) as opened:
        found = opened.calibrate(
            fpir=fpir, strangers=datasets[0], uncertain=uncertain, scoring=chosen, confirmed=datasets[1], seed=seed
        )
        tested = None if datasets[2] is None else opened.mismatch(datasets[2], seed=seed)
    least = min_sample_size(fpir, found.kind)
    low, high = found.interval()
    if json:
        print_json(
            {
                "kind": found.kind,
                "fpir": fpir,
                "uncertain": uncertain,
                "n": found.n,
                "needed": least,
                "interval": [low, high],
                "scoring": found.scoring.name,
                "assumption": found.assumption,
                "fnir": found.choice and found.choice.fnir,
                "mismatch": None if tested is None else vars(tested),
            }
        )
        return
    probed_with = found.kind if confirmed is None else "pictures that were passed"
    stdout.print(
        f"Calibrated for FPIR {fpir:g} on {found.n} {probed_with} (at least {least} are needed). The rate of this "
        f"gallery lies between {low:.1%} and {high:.1%}, with 95% confidence. Scoring: {found.scoring.name}."
    )
    if found.choice is not None:
        ranked = sorted(found.choice.fnir.items(), key=lambda item: item[1])
        misses = ", ".join(f"{name} {part:.1%}" for name, part in ranked)
        stdout.print(
            f"Chosen on {found.choice.subjects} {'subjects' if strangers or confirmed else 'other subjects'}: the "
            f"simplest scoring that misses hardly more probes than the best: {misses}."
        )
    stdout.print(f"[dim]{escape(found.assumption)}[/]")
    if tested is not None:
        stdout.print(escape(tested.message))
