"""The book's command line, ``lstsr-book``: builds the book of a run, joins editions, keeps result tables, stores outputs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lstsr_core.cli import run_command
from lstsr_core.project import PROJECT, RUNS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what stops it is one line on standard error, and the exit code as `cli.run_command` gives it."""
    return run_command(make_parser(), list(sys.argv[1:] if arguments is None else arguments))


def make_parser() -> argparse.ArgumentParser:
    """Every command with its options, as the command line reads them."""
    parser = argparse.ArgumentParser(prog="lstsr-book", description="The book of a run of lstsr, and what it keeps.")
    commands = parser.add_subparsers(required=True, metavar="command")

    build = commands.add_parser("build", help="build the book from a profile's results")
    build.set_defaults(command=_build)
    build.add_argument("--profile", default="sample", help="sample (default) or paper")
    build.add_argument("--pdf", action="store_true", help="print it into a PDF, too, which its pages link (needs Chromium)")

    site = commands.add_parser(
        "site", help="put the books of all profiles into one folder to publish, each page linking the other"
    )
    site.set_defaults(command=_site)
    site.add_argument(
        "--out", type=Path, default=Path("site"), metavar="DIR", help="an earlier site there is replaced (default site)"
    )

    keep = commands.add_parser("keep", help="keep a run's result tables in data/results, with a record of what made them")
    keep.set_defaults(command=_keep)
    keep.add_argument("--profile", default="paper", help="paper (default); results of simulated pairs are not kept")

    store = commands.add_parser("store", help="put the outputs of the sample's run into notebooks/, for nbval to compare with")
    store.set_defaults(command=_store)
    return parser


def _build(options: argparse.Namespace) -> int:
    from lstsr_book.build import build_book, build_pdf
    from lstsr_book.editions import built_books, link_editions
    from lstsr_book.pdf import find_browser

    if options.pdf:
        find_browser()  # missed before the work rather than after it
    cover = build_book(RUNS / options.profile, PROJECT)
    if options.pdf:
        print(build_pdf(RUNS / options.profile))
    link_editions(built_books(RUNS))
    print(cover)
    return 0


def _site(options: argparse.Namespace) -> int:
    from lstsr_book.editions import assemble_site

    books = assemble_site(RUNS, options.out)
    print(books[0].resolve() / "index.html")
    return 0


def _keep(options: argparse.Namespace) -> int:
    from lstsr_book.kept_results import RESULTS, keep

    kept = keep(RUNS / options.profile, PROJECT / RESULTS)
    print(f"{kept.files.run}: {len(kept.names)} files of {kept.record['pairs']} pairs, made at {kept.revisions}")
    return 0


def _store(options: argparse.Namespace) -> int:
    from lstsr_core.runner import store_outputs

    store_outputs(RUNS / "sample")
    return 0


if __name__ == "__main__":
    sys.exit(main())
