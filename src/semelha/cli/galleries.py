"""Commands that use a gallery: enroll, identify, verify, explain, calibrate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from semelha.bulk import VectorFile
from semelha.cli.console import escape
from semelha.cli.output import (
    Fpir,
    GalleryPath,
    Json,
    Layout,
    Seed,
    Split,
    check_outputs,
    exit_after_skipped,
    expand_pictures,
    load_dataset,
    make_table,
    note,
    print_json,
    print_result,
    progress_bars,
    stderr,
    stdout,
)
from semelha.cli.reading import picture_of
from semelha.embedders.published import DEFAULT, PUBLISHED
from semelha.errors import IndexFileError, UsageError
from semelha.gallery import Gallery, gallery_exists, on_milvus
from semelha.gallery.enrollment import check_fingerprint
from semelha.images import Skipped
from semelha.published_models import resolve_model
from semelha.recognition import NEAREST, SCORINGS, Evidence, Identification, Scoring
from semelha.recognition.calibration import min_sample_size

COLORS = {"known": "green", "uncertain": "magenta", "unknown": "yellow", "uncalibrated": "cyan"}
MAX_CANDIDATES_SHOWN = 3  # in the table of identifications


def enroll(
    gallery: GalleryPath,
    subject: Annotated[str | None, Argument(help="Name of the subject.")] = None,
    pictures: Annotated[list[Path] | None, Argument(help="Pictures of the subject.")] = None,
    folder: Annotated[Path | None, Option("--from", help="Enroll every class of a folder or a CSV manifest.")] = None,
    vectors: Annotated[
        Path | None, Option(help="Enroll the vectors of a Parquet file, such as embed writes, under their labels.")
    ] = None,
    fingerprint: Annotated[
        str | None, Option(help="Model of these vectors, as embed --json prints it.", show_default="of the file")
    ] = None,
    layout: Layout = None,
    split: Split = None,
    model: Annotated[
        Path | None, Option(help="Model of a new gallery: a folder, or a published model.", show_default="pretrained")
    ] = None,
    keep_pictures: Annotated[bool, Option(help="In a new gallery, keep small copies of the pictures.")] = True,
    pictures_at: Annotated[
        str | None,
        Option(
            "--pictures", metavar="PLACE", help="Of a new gallery on Milvus: where it keeps them, as s3://bucket/shop."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Enroll pictures of one subject or of many. Create the gallery if it does not exist.

    Of several pictures of a subject, those that cannot be used are left out, and the exit status is 1.

    Example: semelha enroll shop --model model granny-smith a.jpg b.jpg

    Example: semelha enroll shop --from catalogue

    Example: semelha enroll shop --vectors vectors.parquet

    Example: semelha enroll milvus://10.0.0.5:19530/shop --pictures s3://pictures/shop --from catalogue
    """
    if sum(each is not None for each in (subject, folder, vectors)) != 1 or (subject is not None and not pictures):
        raise UsageError("enroll needs NAME PICTURES…, --from FOLDER or --vectors FILE")
    if fingerprint is not None and vectors is None:
        raise UsageError("--fingerprint is of --vectors FILE")
    if vectors is not None:
        _enroll_vectors(gallery, vectors, fingerprint, model, pictures_at, json)
        return
    dataset = None if folder is None else load_dataset(folder, use="enrolling", layout=layout, split=split)
    chosen = expand_pictures(pictures or [], folders=False)
    skipped: list[Skipped] | None = [] if len(chosen) > 1 else None
    if gallery_exists(gallery):
        opened = Gallery(gallery)
    else:
        opened = Gallery.create(gallery, model, keep_pictures=keep_pictures, pictures=pictures_at)
        if model is None:
            _note_model(opened)
    with opened:
        if dataset is None:
            enrollments = [opened.enroll(subject or "", chosen, skipped=skipped)]
        else:
            with progress_bars() as bar:
                enrollments = opened.enroll_dataset(dataset, progress=bar("enrolling"))
                _flush(opened, bar)
        total = len(opened)
    if json:
        left_out = [vars(one) for one in skipped or ()]
        read = {"skipped": left_out} if dataset is None else {"reading": dataset.report()}
        print_json({"enrolled": [vars(one) for one in enrollments], "subjects": total, **read})
    else:
        for one in enrollments:
            for text in (*one.warnings, *(f"{name} is already an example of {one.subject}" for name in one.duplicates)):
                note(text)
        added, place = sum(one.added for one in enrollments), escape(gallery)
        stdout.print(f"{added} examples added to {len(enrollments)} subjects; {total} subjects in [bold]{place}[/]")
    exit_after_skipped(skipped)


def _enroll_vectors(
    place: Path, file: Path, fingerprint: str | None, model: Path | None, pictures_at: str | None, json: bool
) -> None:
    """Enroll a file of vectors."""
    if not gallery_exists(place):
        used = resolve_model(model)
        with VectorFile(file, dim=used.dim, fingerprint=fingerprint) as opened:  # before a gallery is made for it
            check_fingerprint(used, opened.fingerprint)
        keeps = pictures_at is not None or not on_milvus(place)
        Gallery.create(place, used, keep_pictures=keeps, pictures=pictures_at).close()
    with Gallery(place) as gallery, progress_bars() as bar:
        made = gallery.enroll_vector_file(file, fingerprint=fingerprint, progress=bar("enrolling"))
        _flush(gallery, bar)
        total = len(gallery)
    if made.unlabelled and not json:
        note(f"{made.unlabelled:,} rows have no label, and are left out")
    print_result(
        json,
        {
            "added": made.added,
            "duplicates": made.duplicates,
            "unlabelled": made.unlabelled,
            "labels": made.subjects,
            "subjects": total,
        },
        f"{made.added} examples added to {made.subjects} subjects, {made.duplicates} were there; {total} subjects in "
        f"[bold]{escape(place)}[/]",
    )


def _flush(gallery: Gallery, bar: Callable[[str], object]) -> None:
    """Save the index of a gallery that has grown much."""
    bar("updating the index")
    try:
        gallery.flush()
    except IndexFileError as error:  # all is enrolled; the next process that opens the gallery tries again
        note(f"the index is not saved: {error}")


def _note_model(gallery: Gallery) -> None:
    name = gallery.model.card.training.get("published") or gallery.model.card.name
    better = list(PUBLISHED)[-1]
    more = f": on ImageNet, {better} is more accurate (semelha weights fetch {better})" if name == DEFAULT else ""
    note(f"{gallery.path.name} is a new gallery, with the model {name}{more}")


def identify(
    gallery: GalleryPath,
    pictures: Annotated[list[Path], Argument(help="Pictures of one subject each.")],
    k: Annotated[
        int, Option("-k", help=f"Number of candidates; --json prints all, the table {MAX_CANDIDATES_SHOWN}.", min=1)
    ] = 5,
    json: Json = False,
) -> None:
    """Name the subject of each picture, or answer unknown.

    A file that cannot be used is skipped, and the exit status is 1. A single picture that cannot be used is an error.

    Example: semelha identify shop new.jpg
    """
    probes = expand_pictures(pictures, folders=True)
    skipped: list[Skipped] | None = [] if len(probes) > 1 else None
    with Gallery(gallery) as opened, progress_bars() as bar:
        answers = opened.identify_many(probes, k=k, progress=bar("identifying"), skipped=skipped)
    reasons = {one.name: one.reason for one in skipped or ()}
    names = [one.name for one in probes if one.name not in reasons]
    if json:
        named = [{"picture": name, **one.to_json()} for name, one in zip(names, answers, strict=True)]
        print_json({"identifications": named, "skipped": [vars(one) for one in skipped or ()]})
    else:
        table = make_table("picture", "decision", "subject", "distance", "p-value", "probability", "candidates")
        for name, one in zip(names, answers, strict=True):
            table.add_row(escape(name), *_cells(one))
        stdout.print(table)
        for text in sorted({one.note for one in answers}):
            stdout.print(f"[dim]{escape(text)}[/]")
    exit_after_skipped(skipped)


def _cells(one: Identification) -> tuple[str, ...]:
    others = one.candidates[0 if one.subject is None else 1 :][:MAX_CANDIDATES_SHOWN]
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
        verification = (
            opened.verify(picture_of(picture), picture_of(other))
            if other
            else opened.verify_subject(picture_of(picture), subject or "")
        )
    answer = {True: "[green]the same[/]", False: "[yellow]not the same[/]", None: "not decided"}[verification.same]
    p_value = "" if verification.p_value is None else f", p-value {verification.p_value:.3f}"
    line = f"{answer}  (distance {verification.distance:.3f}{p_value})"
    print_result(json, verification.to_json(), line, f"[dim]{escape(verification.note)}[/]")


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
    check_outputs(out)
    with Gallery(gallery) as opened:
        evidence = opened.explain(picture_of(picture), k=k)
    if json:
        print_json({"picture": str(picture), **evidence.to_json()})
    else:
        _print_evidence(evidence)
    if out is not None:  # last, so that the answer is not lost if it cannot be written
        evidence.save(out)
        (stderr if json else stdout).print(f"Evidence: [bold]{escape(out)}[/]")


def _print_evidence(evidence: Evidence) -> None:
    answer = evidence.identification
    p_value = "" if answer.p_value is None else f", p-value {answer.p_value:.3f}"
    nearest = "; nearest is" if answer.subject is None and evidence.matched else ":"
    name = answer.subject or (evidence.matched[0].subject if evidence.matched else "–")
    stdout.print(f"{answer.decision}{nearest} [bold]{escape(name)}[/]{p_value}")
    table = make_table("", "subject", "distance", "example", "picture")
    second = [] if evidence.runner_up is None else [("second", evidence.runner_up)]
    for word, each in [*(("matched", each) for each in evidence.matched), *second]:
        kept = "not kept" if each.picture is None else "kept"
        table.add_row(word, escape(each.subject), f"{each.distance:.3f}", escape(each.source), kept)
    stdout.print(table)
    if evidence.margin is not None:
        stdout.print(f"The second subject is farther by {evidence.margin:.3f}.")
    stdout.print(f"[dim]{escape(answer.note)}[/]")


def calibrate(
    gallery: GalleryPath,
    fpir: Fpir = 0.01,
    strangers: Annotated[
        Path | None, Option(help="Folder or CSV manifest of pictures of subjects that are not enrolled.")
    ] = None,
    confirmed: Annotated[
        Path | None, Option(help="Folder or CSV manifest of new pictures of enrolled subjects.")
    ] = None,
    uncertain: Annotated[
        float | None, Option(help="A second, higher rate. An answer within it, but not within --fpir, is uncertain.")
    ] = None,
    scoring: Annotated[
        str, Option(help=f"Score of a subject: {', '.join(s.name for s in SCORINGS)}, or choose.")
    ] = NEAREST.name,
    probes: Annotated[
        Path | None, Option(help="Folder or CSV manifest of labelled pictures to test the calibration on.")
    ] = None,
    layout: Layout = None,
    split: Split = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Set the decision threshold so that at most the fraction --fpir of strangers is named.

    Example: semelha calibrate shop --fpir 0.01

    Example: semelha calibrate shop --fpir 0.01 --uncertain 0.1 --scoring choose
    """
    chosen = None if scoring == "choose" else Scoring.from_name(scoring)
    stranger_pictures, confirmed_pictures, probe_pictures = (
        None if path is None else load_dataset(path, use="probes", layout=layout, split=split)
        for path in (strangers, confirmed, probes)
    )
    with Gallery(gallery) as opened:
        calibration = opened.calibrate(
            fpir=fpir,
            strangers=stranger_pictures,
            uncertain=uncertain,
            scoring=chosen,
            confirmed=confirmed_pictures,
            seed=seed,
        )
        tested = None if probe_pictures is None else opened.mismatch(probe_pictures, seed=seed)
    least = min_sample_size(fpir, calibration.kind, calibration.largest_weight)
    low, high = calibration.interval()
    if json:
        print_json(
            {
                "kind": calibration.kind,
                "fpir": fpir,
                "uncertain": uncertain,
                "n": calibration.n,
                "needed": least,
                "interval": [low, high],
                "scoring": calibration.scoring.name,
                "assumption": calibration.assumption,
                "fnir": calibration.choice and calibration.choice.fnir,
                "mismatch": None if tested is None else vars(tested),
            }
        )
        return
    calibrated_on = calibration.kind if confirmed is None else "pictures"
    stdout.print(
        f"Calibrated for FPIR {fpir:g} on {calibration.n} {calibrated_on} (at least {least} are needed). The true "
        f"rate lies between {low:.1%} and {high:.1%}, with 95% confidence. Scoring: {calibration.scoring.name}."
    )
    if calibration.choice is not None:
        ranked = sorted(calibration.choice.fnir.items(), key=lambda item: item[1])
        missed = ", ".join(f"{name} {part:.1%}" for name, part in ranked)
        stdout.print(
            f"Chosen on {calibration.choice.subjects} {'subjects' if strangers or confirmed else 'other subjects'}: "
            f"the simplest scoring whose misses are within one standard error of the fewest. Misses: {missed}."
        )
    stdout.print(f"[dim]{escape(calibration.assumption)}[/]")
    if tested is not None:
        stdout.print(escape(tested.message))
