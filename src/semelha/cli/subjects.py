"""Commands about enrolled subjects, their examples, merges and rejections."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rich.markup import escape
from typer import Argument, Exit, Option, Typer, confirm

from semelha.cli.output import GalleryPath, Json, Yes, make_table, print_json, stdout
from semelha.errors import SubjectExists
from semelha.gallery import Gallery

subjects = Typer(no_args_is_help=True, help="List, rename, merge or remove enrolled subjects and their examples.")

Name = Annotated[str, Argument(metavar="NAME", help="Name of the subject.")]
Example = Annotated[int, Argument(metavar="EXAMPLE", help="Number of the example, as `subjects examples` lists it.")]


@subjects.command("list")
def list_subjects(gallery: GalleryPath, json: Json = False) -> None:
    """List the enrolled subjects.

    Example: semelha subjects list shop
    """
    with Gallery(gallery) as opened:
        found = opened.subjects()
    if json:
        print_json({"subjects": [vars(one) for one in found]})
        return
    table = make_table("subject", "examples", "since", right=("examples",))
    for one in found:
        table.add_row(escape(one.name), str(one.examples), one.created)
    stdout.print(table)
    stdout.print(f"[dim]{len(found)} subjects[/]")


@subjects.command("rename")
def rename_subject(
    gallery: GalleryPath,
    old: Name,
    new: Annotated[str, Argument(help="New name.")],
    merge: Annotated[bool, Option("--merge", help="If another subject has the new name, merge the two.")] = False,
) -> None:
    """Rename a subject. If another subject has the new name, ask whether to merge the two.

    Example: semelha subjects rename shop granny-smith "Granny Smith"
    """
    with Gallery(gallery) as opened:
        try:
            opened.rename(old, new)
        except SubjectExists:
            if not merge and not confirm(f"A subject is already called {new}. Merge {old} into it?", err=True):
                raise Exit(1) from None
            _print_merge(opened, opened.merge(old, new))
            return
    stdout.print(f"{escape(old)} is now [bold]{escape(new)}[/]")


@subjects.command("remove")
def remove_subject(gallery: GalleryPath, name: Name, yes: Yes = False) -> None:
    """Remove a subject with its examples and pictures.

    Example: semelha subjects remove shop granny-smith --yes
    """
    if not yes and not confirm(f"Remove {name} and its pictures for good?", err=True):
        raise Exit(1)
    with Gallery(gallery) as opened:
        count = opened.remove(name)
    stdout.print(f"[bold]{escape(name)}[/] removed with {count} examples")


@subjects.command("examples")
def list_examples(gallery: GalleryPath, name: Name, json: Json = False) -> None:
    """List the examples of a subject, with the numbers that remove-example and move-example take.

    Example: semelha subjects examples shop granny-smith
    """
    with Gallery(gallery) as opened:
        found = opened.examples(name)
    if json:
        print_json({"subject": name, "examples": [vars(one) for one in found]})
        return
    table = make_table("example", "source", "since", "picture", right=("example",))
    for one in found:
        kept = "kept" if one.has_picture else "not kept"
        table.add_row(str(one.number), escape(one.source), one.created, kept)
    stdout.print(table)
    stdout.print(f"[dim]{len(found)} examples[/]")


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
    if json:
        print_json({"removed": example, "subject": name, "subject_removed": not is_left})
        return
    stdout.print(f"Example {example} of [bold]{escape(name)}[/] removed" + ("" if is_left else "; it was the last one"))


@subjects.command("move-example")
def move_example(gallery: GalleryPath, example: Example, name: Name, json: Json = False) -> None:
    """Move one example to another subject, which is created if it is new.

    Example: semelha subjects move-example shop 12 granny-smith
    """
    with Gallery(gallery) as opened:
        number = opened.move_example(example, name)
    if json:
        print_json({"moved": example, "example": number, "subject": name})
        return
    stdout.print(f"Example {example} is now example {number} of [bold]{escape(name)}[/]")


@subjects.command("merge")
def merge_subjects(
    gallery: GalleryPath,
    source: Annotated[str, Argument(help="Subject to merge; its name ends.")],
    into: Annotated[str, Argument(help="Subject that gets its examples.")],
) -> None:
    """Merge two subjects. `subjects unmerge` undoes it.

    Example: semelha subjects merge shop granny-smith "Granny Smith"
    """
    with Gallery(gallery) as opened:
        _print_merge(opened, opened.merge(source, into))


@subjects.command("unmerge")
def unmerge_subjects(
    gallery: GalleryPath, merge: Annotated[int, Argument(help="Number of the merge, as `subjects merges` lists it.")]
) -> None:
    """Undo a merge: both subjects get back their examples.

    Example: semelha subjects unmerge shop 1
    """
    with Gallery(gallery) as opened:
        name = opened.unmerge(merge)
    stdout.print(f"[bold]{escape(name)}[/] is a separate subject again")


@subjects.command("merges")
def list_merges(gallery: GalleryPath, json: Json = False) -> None:
    """List the merges that can be undone.

    Example: semelha subjects merges shop
    """
    with Gallery(gallery) as opened:
        found = opened.merges()
    if json:
        print_json({"merges": [vars(one) for one in found]})
        return
    table = make_table("merge", "subject", "into", "examples", "since", "undo first", right=("examples",))
    for one in found:
        first = "" if one.inside is None else str(one.inside)
        count = str(one.moved + one.shared)
        table.add_row(str(one.number), escape(one.source), escape(one.into), count, one.created, first)
    stdout.print(table)
    stdout.print(f"[dim]{len(found)} merges[/]")


def _print_merge(gallery: Gallery, number: int) -> None:
    (merge,) = [one for one in gallery.merges() if one.number == number]
    shared = f", and {merge.shared} that both had" if merge.shared else ""
    stdout.print(
        f"{escape(merge.source)} is now part of [bold]{escape(merge.into)}[/], with {merge.moved} examples{shared}"
    )
    stdout.print(f"[dim]To undo: semelha subjects unmerge {escape(str(gallery.path))} {number}[/]")


def reject(
    gallery: GalleryPath,
    picture: Annotated[Path, Argument(help="Picture that was named wrongly.")],
    subject: Annotated[str, Argument(help="Subject that it does not show.")],
    json: Json = False,
) -> None:
    """Record that a picture does not show a subject: it and similar pictures are no longer identified as it.

    Example: semelha reject shop new.jpg granny-smith
    """
    with Gallery(gallery) as opened:
        number = opened.reject(picture, subject)
    if json:
        print_json({"rejection": number, "subject": subject, "picture": str(picture)})
        return
    stdout.print(f"{escape(str(picture))} is not [bold]{escape(subject)}[/]")
    stdout.print(f"[dim]To undo: semelha subjects withdraw {escape(str(gallery))} {number}[/]")


@subjects.command("rejections")
def list_rejections(gallery: GalleryPath, name: Name, json: Json = False) -> None:
    """List the pictures that were rejected for a subject.

    Example: semelha subjects rejections shop granny-smith
    """
    with Gallery(gallery) as opened:
        found = opened.rejections(name)
    if json:
        rows = [{"rejection": one.number, "picture": one.source, "since": one.created} for one in found]
        print_json({"subject": name, "rejections": rows})
        return
    table = make_table("rejection", "picture", "since")
    for one in found:
        table.add_row(str(one.number), escape(one.source), one.created)
    stdout.print(table)
    stdout.print(f"[dim]{len(found)} rejections[/]")


@subjects.command("withdraw")
def withdraw_rejection(
    gallery: GalleryPath,
    rejection: Annotated[int, Argument(help="Number of the rejection, as `subjects rejections` lists it.")],
) -> None:
    """Withdraw a rejection: the picture may be identified as the subject again.

    Example: semelha subjects withdraw shop 1
    """
    with Gallery(gallery) as opened:
        opened.withdraw_rejection(rejection)
    stdout.print(f"Rejection {rejection} is withdrawn")
