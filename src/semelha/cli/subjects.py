"""`semelha subjects`: enrolled subjects, their examples, merges and rejections. And `semelha reject`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option, Typer, confirm

from semelha.cli.console import escape
from semelha.cli.output import GalleryPath, Json, Yes, print_records, print_result
from semelha.cli.reading import picture_of
from semelha.errors import SubjectExists
from semelha.gallery import Gallery
from semelha.gallery.live_index import IndexFolder
from semelha.text import shown
from semelha.untrusted import normalized_name

subjects = Typer(no_args_is_help=True, help="List, rename, merge or remove enrolled subjects and their examples.")

Name = Annotated[str, Argument(parser=normalized_name, metavar="NAME", help="Name of the subject.")]
Example = Annotated[int, Argument(metavar="EXAMPLE", help="Number of the example, as `subjects examples` lists it.")]


@subjects.command("list")
def list_subjects(gallery: GalleryPath, json: Json = False) -> None:
    """List the enrolled subjects.

    Example: semelha subjects list shop
    """
    with Gallery(gallery) as opened:
        enrolled = opened.subjects()
    rows = [(one.name, one.examples, one.created) for one in enrolled]
    print_records(json, {"subjects": [vars(one) for one in enrolled]}, ("subject", "examples", "since"), rows)


@subjects.command("rename")
def rename_subject(
    gallery: GalleryPath,
    old: Name,
    new: Annotated[str, Argument(parser=normalized_name, metavar="NEW", help="New name.")],
    merge: Annotated[
        bool, Option("--merge", help="If another subject has the new name, merge the two without asking.")
    ] = False,
    json: Json = False,
) -> None:
    """Rename a subject. If another subject has the new name, ask whether to merge the two; --merge answers yes.

    Example: semelha subjects rename shop granny-smith "Granny Smith"
    """
    with Gallery(gallery) as opened:
        try:
            opened.rename(old, new)
        except SubjectExists:
            if not merge and not confirm(shown(f"A subject is already called {new}. Merge {old} into it?"), err=True):
                raise Exit(1) from None
            _merge_and_print(opened, old, new, json)
            return
    print_result(json, {"renamed": old, "subject": new}, f"{escape(old)} is now [bold]{escape(new)}[/]")


@subjects.command("remove")
def remove_subject(gallery: GalleryPath, name: Name, yes: Yes = False, json: Json = False) -> None:
    """Remove a subject with its examples and pictures.

    Example: semelha subjects remove shop granny-smith --yes
    """
    if not yes and not confirm(shown(f"Remove {name} and its pictures for good?"), err=True):
        raise Exit(1)
    with Gallery(gallery) as opened:
        count = opened.remove(name)
    line = f"[bold]{escape(name)}[/] removed with {count} examples"
    print_result(json, {"removed": name, "examples": count}, line, *_index_notes(opened))


@subjects.command("examples")
def list_examples(gallery: GalleryPath, name: Name, json: Json = False) -> None:
    """List the examples of a subject, with the numbers that remove-example and move-example take.

    Example: semelha subjects examples shop granny-smith
    """
    with Gallery(gallery) as opened:
        examples = opened.examples(name)
    rows = [(one.number, one.source, one.created, "kept" if one.has_picture else "not kept") for one in examples]
    value = {"subject": name, "examples": [vars(one) for one in examples]}
    print_records(json, value, ("example", "source", "since", "picture"), rows)


@subjects.command("remove-example")
def remove_example(gallery: GalleryPath, example: Example, yes: Yes = False, json: Json = False) -> None:
    """Remove one example. A subject that loses its last example is removed too.

    Example: semelha subjects remove-example shop 12 --yes
    """
    if not yes and not confirm(f"Remove example {example} for good?", err=True):
        raise Exit(1)
    with Gallery(gallery) as opened:
        name = opened.remove_example(example)
        is_left = name in opened
    line = f"Example {example} of [bold]{escape(name)}[/] removed" + (
        "" if is_left else "; it was the last example of the subject, which is removed too"
    )
    print_result(
        json, {"removed": example, "subject": name, "subject_removed": not is_left}, line, *_index_notes(opened)
    )


def _index_notes(gallery: Gallery) -> list[str]:
    """What to do about the vectors of what was removed, if there is an index on disk."""
    if not IndexFolder(gallery.path, gallery.model).has_index:
        return []
    command = escape(f"semelha index {gallery.path} --rebuild")
    return [f"[dim]Its vectors leave the index when the gallery is open for some seconds, or now: {command}[/]"]


@subjects.command("move-example")
def move_example(gallery: GalleryPath, example: Example, name: Name, json: Json = False) -> None:
    """Move one example to another subject, which is created if it is new. The example gets a new number.

    Example: semelha subjects move-example shop 12 granny-smith
    """
    with Gallery(gallery) as opened:
        number = opened.move_example(example, name)
    line = f"Example {example} is now example {number} of [bold]{escape(name)}[/]"
    print_result(json, {"moved": example, "example": number, "subject": name}, line)


@subjects.command("merge")
def merge_subjects(
    gallery: GalleryPath,
    subject: Annotated[str, Argument(help="Subject to merge into the other; its name is no longer enrolled.")],
    into: Annotated[str, Argument(help="Subject that gets the examples.")],
    json: Json = False,
) -> None:
    """Merge two subjects. `subjects unmerge` undoes it.

    Example: semelha subjects merge shop granny-smith "Granny Smith"
    """
    with Gallery(gallery) as opened:
        _merge_and_print(opened, subject, into, json)


def _merge_and_print(gallery: Gallery, subject: str, into: str, json: bool) -> None:
    number = gallery.merge(subject, into)
    (merge,) = [one for one in gallery.merges() if one.number == number]
    shared = f", and {merge.shared} that both subjects had" if merge.shared else ""
    print_result(
        json,
        vars(merge),
        f"{escape(merge.source)} is now part of [bold]{escape(merge.into)}[/], with {merge.moved} examples{shared}",
        f"[dim]To undo: semelha subjects unmerge {escape(str(gallery.path))} {number}[/]",
    )


@subjects.command("unmerge")
def unmerge_subjects(
    gallery: GalleryPath,
    merge: Annotated[int, Argument(help="Number of the merge, as `subjects merges` lists it.")],
    json: Json = False,
) -> None:
    """Undo a merge: both subjects get back their examples.

    Example: semelha subjects unmerge shop 1
    """
    with Gallery(gallery) as opened:
        name = opened.unmerge(merge)
    print_result(json, {"undone": merge, "subject": name}, f"[bold]{escape(name)}[/] is a separate subject again")


@subjects.command("merges")
def list_merges(gallery: GalleryPath, json: Json = False) -> None:
    """List the merges, and for each the later merge that must be undone first.

    Example: semelha subjects merges shop
    """
    with Gallery(gallery) as opened:
        merges = opened.merges()
    rows = [(one.number, one.source, one.into, one.moved + one.shared, one.created, one.inside or "") for one in merges]
    columns = ("merge", "subject", "into", "examples", "since", "undo first")
    print_records(json, {"merges": [vars(one) for one in merges]}, columns, rows)


@subjects.command("rejections")
def list_rejections(gallery: GalleryPath, name: Name, json: Json = False) -> None:
    """List the pictures that were rejected for a subject.

    Example: semelha subjects rejections shop granny-smith
    """
    with Gallery(gallery) as opened:
        rows = [(one.number, one.source, one.created) for one in opened.rejections(name)]
    records = [dict(zip(("number", "source", "created"), row, strict=True)) for row in rows]
    print_records(json, {"subject": name, "rejections": records}, ("rejection", "source", "since"), rows)


@subjects.command("withdraw")
def withdraw_rejection(
    gallery: GalleryPath,
    rejection: Annotated[int, Argument(help="Number of the rejection, as `subjects rejections` lists it.")],
    json: Json = False,
) -> None:
    """Withdraw a rejection: the picture may be identified as the subject again.

    Example: semelha subjects withdraw shop 1
    """
    with Gallery(gallery) as opened:
        opened.withdraw_rejection(rejection)
    print_result(json, {"withdrawn": rejection}, f"Rejection {rejection} is withdrawn")


def reject(
    gallery: GalleryPath,
    picture: Annotated[Path, Argument(help="Picture that was identified wrongly.")],
    subject: Annotated[str, Argument(parser=normalized_name, metavar="NAME", help="Subject that it does not show.")],
    json: Json = False,
) -> None:
    """Record that a picture does not show a subject: it and similar pictures are no longer identified as it.

    Example: semelha reject shop new.jpg granny-smith
    """
    with Gallery(gallery) as opened:
        number = opened.reject(picture_of(picture), subject)
    print_result(
        json,
        {"rejection": number, "subject": subject, "picture": str(picture)},
        f"{escape(str(picture))} is not [bold]{escape(subject)}[/]",
        f"[dim]To undo: semelha subjects withdraw {escape(str(gallery))} {number}[/]",
    )
