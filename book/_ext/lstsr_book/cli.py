# PYTHON_ARGCOMPLETE_OK
"""The book's command line, ``lstsr-book``: builds books, joins editions, keeps tables, stores outputs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lstsr_book.options import make_parser
from lstsr_core.base.completion import complete
from lstsr_core.base.project import PROJECT, RUNS
from lstsr_core.cli import COMPLETED, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what stops it is one line on standard error. Exit codes are `cli.run_command`'s."""
    parser = make_parser(_COMMANDS)
    complete(parser, COMPLETED)
    return run_command(parser, list(sys.argv[1:] if arguments is None else arguments))


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

    results = keep(RUNS / options.profile, PROJECT / RESULTS)
    pairs = results.record["pairs"]
    print(f"{results.files.run}: {len(results.names)} files of {pairs} pairs, made at {results.revisions}")
    return 0


def _store(options: argparse.Namespace) -> int:
    from lstsr_book.stored_outputs import store_outputs

    store_outputs(RUNS / "sample")
    return 0


_COMMANDS = {"build": _build, "site": _site, "keep": _keep, "store": _store}


if __name__ == "__main__":
    sys.exit(main())
