"""The options of ``lstsr-book``, which its program reads and the manual shows."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path


def make_parser(
    functions: Mapping[str, Callable[[argparse.Namespace], int]] | None = None,
) -> argparse.ArgumentParser:
    """Every command with its options, as the command line reads them.

    Parameters
    ----------
    functions : mapping, optional
        What each command calls; a manual needs none.
    """
    functions = functions or {}
    parser = argparse.ArgumentParser(
        prog="lstsr-book", description="The book of a run of lstsr, and what it keeps."
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    build = commands.add_parser("build", help="build the book from a profile's results")
    build.set_defaults(command=functions.get("build"))
    profile = "sample (default), paper, or another file of data/params"
    build.add_argument("--profile", default="sample", help=profile)
    build.add_argument(
        "--pdf", action="store_true", help="print it into a PDF, too, which its pages link (needs Chromium)"
    )

    site = commands.add_parser(
        "site", help="put the books of all profiles into one folder to publish, each page linking the other"
    )
    site.set_defaults(command=functions.get("site"))
    site.add_argument(
        "--out",
        type=Path,
        default=Path("site"),
        metavar="DIR",
        help="an earlier site there is replaced (default site)",
    )

    keep = commands.add_parser(
        "keep", help="keep a run's result tables in data/results, with a record of what made them"
    )
    keep.set_defaults(command=functions.get("keep"))
    keep.add_argument(
        "--profile", default="paper", help="paper (default); results of simulated pairs are not kept"
    )

    store = commands.add_parser(
        "store", help="put the outputs of the sample's run into notebooks/, for nbval to compare with"
    )
    store.set_defaults(command=functions.get("store"))
    return parser
