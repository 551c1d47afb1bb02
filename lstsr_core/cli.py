# PYTHON_ARGCOMPLETE_OK
"""The command line, ``lstsr``: each command reads its
options, calls the package, and says what came of it."""

from __future__ import annotations

import argparse
import io
import os
import re
import select
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from tqdm import tqdm

from lstsr_core.base.completion import complete, registered_names
from lstsr_core.base.errors import InputError
from lstsr_core.base.progress import announce_terminal, bar
from lstsr_core.base.project import PROJECT, resolve
from lstsr_core.base.report import INTERRUPTED, Report
from lstsr_core.base.text import parse_day

if TYPE_CHECKING:
    from lstsr_core.download.download import Result
    from lstsr_core.geo.shorelines import Extent
    from lstsr_core.maps.days import Order, Outcome, Plan
    from lstsr_core.maps.place import Place
    from lstsr_core.maps.plan import MapPlan
    from lstsr_core.maps.predict import Summary

TRACEBACK_VARIABLE = "LSTSR_TRACEBACK"
"""Set, it makes every command that fails show where."""


BOOK_COMMANDS = {
    "book": "lstsr-book build",
    "site": "lstsr-book site",
    "keep": "lstsr-book keep",
    "store": "lstsr-book store",
}
"""Commands that `lstsr` had before the book got a program of its own, and their names there."""

EXIT_CODES = {
    0: "done",
    1: "input that cannot be used, or a place or a machine that could not serve: one line says which",
    2: "words that are no command or option of it, with the usage",
    70: "a fault of the program",
    130: "stopped by Ctrl-C",
    141: "who read the output has gone",
}

WITH_DOCUMENT = (
    "card", "coverage", "download", "evaluate", "fetch", "map", "patches", "predict", "verify", "where",
)  # fmt: skip
"""Commands whose result a script wants: they take ``--json``."""


class _HelpWithMethods(argparse.Action):
    """Help that ends with what each method is good for; the table of methods is loaded for it alone."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from lstsr_core.sharpening.methods import METHODS

        parser.print_help()
        print("\nmethods:")
        for name, method in METHODS.items():
            whose = "this companion's" if method.source == "companion" else f"the {method.source}'s"
            print(f"  {name:<30}{method.purpose} ({whose})")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what stops it is one line on standard
    error, and the exit code as `run_command` gives it."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = make_parser()
    complete(parser, COMPLETED)
    if words and words[0] in BOOK_COMMANDS:
        print(
            f"lstsr: '{words[0]}' is a command of the book's own program: {BOOK_COMMANDS[words[0]]}",
            file=sys.stderr,
        )
        return 1
    return run_command(parser, words)


def run_command(parser: argparse.ArgumentParser, words: Sequence[str]) -> int:
    """Run the command of a program that these words ask for; what stops it is one line on standard error.

    Returns
    -------
    int
        One of `EXIT_CODES`; 2 leaves by argparse's SystemExit.
    """
    _prepare_streams()
    report = Report()
    options = argparse.Namespace(command=None)
    try:
        try:
            parsed, surplus = parser.parse_known_args(words)
            _check_surplus(parser, words, surplus)
            options = parsed
            options.report = report
            report.command, report.as_json = words[0], getattr(options, "json", False)
            with report.apart():
                code = int(options.command(options))
            report.write(code)
            return code
        except SystemExit as end:
            if options.command is None:  # argparse's own, with its message
                raise
            raise InputError(
                f"ended by SystemExit({end.code!r}) in what it loads, such as the file of LSTSR_METHODS."
            ) from end
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        resumes = options.command in (_run, _train, _download, _patches, _predict, _map)
        print(
            "lstsr: stopped" + ("; the same command goes on where it was" if resumes else ""),
            file=sys.stderr,
        )
        with suppress(OSError):
            report.write(130, INTERRUPTED)
        return 130
    except Exception as error:
        if _output_is_refused() and isinstance(error, BrokenPipeError):
            return 141
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exception(error)
        code, line = _explain(error, words)
        line = " ".join(line.split())
        print("lstsr:", line, file=sys.stderr)
        with suppress(OSError):  # what stopped it may be that nothing can be printed
            report.write(code, line)
        return code


def _prepare_streams() -> None:
    """Let every character be printed in some way: names that are not UTF-8, × where only ASCII is shown.

    A stream that was closed before the program began goes into nothing.
    """
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115  # as long as the program
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            as_it_came = stream is sys.stdout and stream.encoding.lower() == "utf-8"
            stream.reconfigure(errors="surrogateescape" if as_it_came else "backslashreplace")


def _output_is_refused() -> bool:
    """Whether standard output takes nothing any more; what is left for it is dropped."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # a stream of another kind stands in for it
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    refused = any(event & select.POLLERR for _, event in poll.poll(0))
    try:
        sys.stdout.flush()
    except OSError:
        # Or Python would try, and tell, once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        refused = True
    return refused


def _explain(error: Exception, arguments: Sequence[str]) -> tuple[int, str]:
    """The exit code and the line for whatever stopped a command with these arguments."""
    if isinstance(error, InputError):
        return 1, str(error)
    kind, message = type(error).__name__, " ".join(str(error).split())[:200]
    details = f"({TRACEBACK_VARIABLE}=1 before the command shows where)"
    if isinstance(error, MemoryError):
        return (
            1,
            (
                f"the memory does not suffice ({message or kind}); take a smaller area or fewer --workers"
                f" {details}."
            ),
        )
    if isinstance(error, OSError):
        place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        return 1, f"{place}{error.strerror or message or kind} {details}."
    odd = [
        word
        for word in (*arguments, os.environ.get("PWD", ""))
        if word != word.encode(errors="replace").decode()
    ]
    if odd:  # libraries in C meet such names with errors of many kinds
        return (
            1,
            (
                f"{', '.join(odd)}: is not UTF-8, which a library that reads or writes it needs; rename it"
                f" {details}."
            ),
        )
    return 70, f"a fault of this program, {kind}: {message} {details}; please report it with that."


def _check_surplus(parser: argparse.ArgumentParser, arguments: Sequence[str], surplus: list[str]) -> None:
    """Refuse what no option takes; where one option got several
    values, a pattern of the shell is the usual reason."""
    if not surplus:
        return
    words = arguments[: arguments.index(surplus[0])]
    before = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    option = next((word for word in reversed(before) if word.startswith("--")), None)
    if surplus[0].startswith("-") or option is None or before[-1] == option:
        parser.error(f"unrecognized arguments: {' '.join(surplus)}")
    raise InputError(
        f"{option} takes one value, and {before[-1]} and {surplus[0]} were given; where a pattern matches"
        " several files, give a narrower one."
    )


def make_parser() -> argparse.ArgumentParser:
    """Every command with its options, as the command line reads them."""
    parser = argparse.ArgumentParser(
        prog="lstsr",
        description="Land surface temperature super-resolution: the paper's companion.",
        epilog="\n".join(["exit codes:", *(f"  {code:<5}{meaning}" for code, meaning in EXIT_CODES.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    run = commands.add_parser(
        "run", help="run the notebooks of a profile in order, those whose results would change"
    )
    run.set_defaults(command=_run)
    run.add_argument(
        "--profile", default="sample", help="sample (default), paper, or another file of data/params"
    )
    run.add_argument("--set", action="append", default=[], metavar="NOTEBOOK.NAME=VALUE", dest="settings",
                     help="a parameter over the profile's, such as 03_training.epochs=4; without a notebook, "
                     "of all that have it (may be repeated)")  # fmt: skip
    run.add_argument("--from", metavar="NN", dest="start", help="begin with this notebook")
    run.add_argument("--only", metavar="NN", help="run this notebook alone")
    run.add_argument("--force", action="store_true", help="run even what has not changed")

    fetch = commands.add_parser(
        "fetch", help="fetch the published pairs and checkpoints that are not in your cache, each checked"
    )
    fetch.set_defaults(command=_fetch)
    fetch.add_argument(
        "--url", help="of a copy of the published repository, instead of the repository itself"
    )

    download = commands.add_parser(
        "download", help="fetch granules, each checked; stopped, the same command goes on"
    )
    download.set_defaults(command=_download)
    _add_source_options(download)
    download.add_argument(
        "--product", action="append", required=True, help="such as MOD21A1D.061 (may be repeated)"
    )
    download.add_argument("--tile", action="append", required=True, help="such as h18v04 (may be repeated)")
    download.add_argument("--start", required=True, metavar="YYYY-MM-DD", help="the first day")
    download.add_argument(
        "--end", required=True, metavar="YYYY-MM-DD", help="the last day, which is included"
    )
    download.add_argument(
        "--out", type=Path, required=True, help="directory of the granules and manifest.csv"
    )
    download.add_argument("--threads", type=int, default=8, help="granules at a time (default 8)")
    download.add_argument("--seed", type=int, default=42, help="of the simulated granules (default 42)")
    download.add_argument(
        "--dry-run", action="store_true", help="print granules, bytes and time, and fetch nothing"
    )

    train = commands.add_parser(
        "train", help="train the networks and write their weights; stopped, the same command goes on"
    )
    train.set_defaults(command=_train)
    train.add_argument(
        "--model",
        default="all",
        help="sif-cnn-sr1, sif-cnn-sr2, sc-unet, all three (all, default), or aster-unet with --target aster",
    )
    train.add_argument(
        "--target",
        choices=["modis", "aster"],
        default="modis",
        help="what is learned from: MODIS alone as in the paper (default), or ASTER of development pairs",
    )
    train.add_argument(
        "--settings", default="pairs", help="pairs (default), paper, or a YAML file for one model"
    )
    data = train.add_mutually_exclusive_group(required=True)
    data.add_argument("--pairs", type=Path, help="directory of pairs, of which the MODIS side is read alone")
    data.add_argument("--patches", type=Path, help="directory that 02_patches wrote")
    train.add_argument(
        "--scenes", choices=["development", "all"], default="development",
        help="with --pairs: all but the 21 test scenes, which judge (default), or all",
    )  # fmt: skip
    train.add_argument(
        "--out", type=Path, required=True, help="directory of <model>.safetensors and the curves"
    )
    train.add_argument(
        "--folds",
        type=int,
        help="one network for each of so many folds, trained on the others (with --pairs)",
    )
    train.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on from what --out holds, or start afresh",
    )
    train.add_argument("--threads", type=int, help="of the CPU, instead of the settings' number")

    card = commands.add_parser(
        "card", help="print what a weights file tells of itself: data, settings, statistics, metrics"
    )
    card.set_defaults(command=_card)
    card.add_argument("weights", type=Path, help="a .safetensors of this project, or a published .pt")

    report = commands.add_parser(
        "report",
        help="judge weights on the 21 test scenes and, by folds, on the development scenes, as tables",
    )
    report.set_defaults(command=_report)
    report.add_argument(
        "--folds", type=Path,
        help="directory that lstsr train --folds wrote, for all models; without it the test scenes alone are "
        "judged",
    )  # fmt: skip
    report.add_argument(
        "--weights", type=Path, required=True,
        help="directory of weights trained on the development scenes; their cards get the means",
    )  # fmt: skip
    report.add_argument("--pairs", type=Path, required=True, help="directory of the pairs, ASTER with them")
    report.add_argument(
        "--published", type=Path, help="directory of the published checkpoints, to compare with"
    )
    report.add_argument(
        "--protocol",
        choices=["georeferenced", "published", "registered"],
        default="georeferenced",
        help="how products are placed on ASTER (default georeferenced, the only one that cards get means of)",
    )
    report.add_argument(
        "--out", type=Path, required=True,
        help="directory for test_scenes.csv and, with --folds, metrics.csv and curves.csv",
    )  # fmt: skip

    calibrate = commands.add_parser(
        "calibrate",
        help="fit restored spectra, ASTER's level and the uncertainty to ASTER of the development scenes",
    )
    calibrate.set_defaults(command=_calibrate)
    calibrate.add_argument(
        "--pairs", type=Path, required=True, help="directory of the pairs, ASTER with them"
    )
    calibrate.add_argument(
        "--folds",
        type=Path,
        required=True,
        help="directory that lstsr train --model aster-unet --folds wrote",
    )
    calibrate.add_argument("--out", type=Path, required=True, help="JSON file of coefficients and figures")
    calibrate.add_argument(
        "--weights", type=Path, help="aster-unet.safetensors of all scenes, whose card gets the figures"
    )

    register = commands.add_parser(
        "register", help="find how far ASTER lies from MODIS in the development scenes, as tables"
    )
    register.set_defaults(command=_register)
    register.add_argument("--pairs", type=Path, required=True, help="directory of the pairs, ASTER with them")
    register.add_argument(
        "--out",
        type=Path,
        required=True,
        help="directory for registration.csv, registration.json and groups.csv",
    )

    coverage = commands.add_parser(
        "coverage", help="judge the uncertainty of maps against ASTER: the share of pixels that lie within it"
    )
    coverage.set_defaults(command=_coverage)
    coverage.add_argument("--pairs", type=Path, required=True, help="directory of the pairs, ASTER with them")
    coverage.add_argument(
        "--scenes", choices=["development", "test"], default="development", help="default development"
    )
    coverage.add_argument(
        "--weights",
        type=Path,
        help="directory of weights and coefficients (default: the package's own); for development scenes the"
        " folds that lstsr calibrate has completed",
    )
    coverage.add_argument(
        "--methods", help="names with commas between (default: all that have an uncertainty)"
    )
    coverage.add_argument("--out", type=Path, required=True, help="CSV of the shares")

    patches = commands.add_parser(
        "patches", help="cut LST–NDVI patches from granules; again, it cuts what is new or changed"
    )
    patches.set_defaults(command=_patches)
    patches.add_argument(
        "--granules", type=Path, required=True, metavar="DIR", help="holds the granules, in any folders"
    )
    patches.add_argument("--out", type=Path, required=True, metavar="DIR",
                         help="receives the tables and patches/; the night's below night/")  # fmt: skip
    patches.add_argument(
        "--layer", choices=["day", "night"], default="day", help="of the LST granules (default day)"
    )
    patches.add_argument("--product", choices=["MOD21A1", "MOD11A1"], default="MOD21A1",
                         help="family of the LST granules, Terra's and Aqua's (default MOD21A1)")  # fmt: skip
    patches.add_argument(
        "--coverage", type=float, default=0.0, help="largest share of bad LST pixels, 0 to 1 (default 0)"
    )
    patches.add_argument(
        "--qc", choices=["produced", "good"], default="produced", help="which LST pixels are used"
    )
    patches.add_argument(
        "--water", type=Path, metavar="PATH", help="MOD44W granule, or directory of them: water is left out"
    )
    patches.add_argument(
        "--dilation", type=int, default=4, help="250 m pixels by which water is widened (default 4)"
    )
    patches.add_argument(
        "--share", type=float, default=0.6, help="share of the patches that train (default 0.6)"
    )
    patches.add_argument("--seed", type=int, default=42, help="of the split (default 42)")
    patches.add_argument("--split", choices=["groups", "random"], default="groups",
                         help="by place and month (default), or one by one, as published")  # fmt: skip
    _add_cluster_options(patches)
    patches.add_argument(
        "--dry-run", action="store_true", help="say what there is to do and what it takes, and do nothing"
    )

    evaluate = commands.add_parser(
        "evaluate", help="judge methods on ASTER–MODIS pairs and write the table of metrics"
    )
    evaluate.set_defaults(command=_evaluate)
    evaluate.add_argument(
        "--pairs", type=Path, required=True, help="directory of <id>_aster_250m.tif with <id>_data_dict.pkl"
    )
    evaluate.add_argument(
        "--scenes", choices=["development", "test", "all"], default="all",
        help="of the published pairs: those to develop on, the 21 that judge, or all (default)",
    )  # fmt: skip
    evaluate.add_argument("--methods", default="all", help="names with commas between, or all (default)")
    evaluate.add_argument(
        "--weights", type=Path,
        help="directory of <method>.safetensors, of folds that lstsr train wrote, or of the published "
        "checkpoints' folders (default: the package's own weights)",
    )  # fmt: skip
    evaluate.add_argument(
        "--protocol",
        default="georeferenced",
        help="georeferenced (default), published, registered (as georeferenced, ASTER moved back to its"
        " place), or some with commas between",
    )
    evaluate.add_argument(
        "--lpips-weights",
        type=Path,
        metavar="DIR",
        help="directory of the LPIPS weights (torch's cache otherwise)",
    )
    evaluate.add_argument("--out", type=Path, required=True, help="the CSV to write")
    evaluate.add_argument(
        "--seed", type=int, default=0, help="of methods that draw random numbers (default 0)"
    )
    evaluate.add_argument(
        "--keep-going", action="store_true", help="note a bad pair in its rows, go on, and exit 1"
    )

    predict = commands.add_parser(
        "predict",
        help="make maps of LST at 250 m from a day's LST and NDVI, granules or GeoTIFFs, or from many",
        add_help=False,
    )
    predict.add_argument("-h", "--help", action=_HelpWithMethods, help="show this, and the methods")
    predict.set_defaults(command=_predict)
    predict.add_argument(
        "--lst",
        type=Path,
        metavar="FILE",
        help="MOD21A1D, MOD21A1N or MOD11A1 granule, or Aqua's (MYD…), or a GeoTIFF of it on the MODIS grid",
    )
    predict.add_argument(
        "--reflectance", type=Path, metavar="HDF", help="MOD09GQ or MYD09GQ granule of the same tile and day"
    )
    predict.add_argument(
        "--ndvi", type=Path, metavar="FILE",
        help="instead of --reflectance: MOD13Q1 or MYD13Q1 granule, whose 16 days hold the LST's, or a "
        "GeoTIFF of NDVI on the MODIS grid",
    )  # fmt: skip
    _add_geotiff_options(predict)
    predict.add_argument(
        "--granules", type=Path, metavar="DIR",
        help="instead of the two: a map of every LST granule below that has its reflectance granule, into "
        "the directory --out",
    )  # fmt: skip
    predict.add_argument("--product", choices=["MOD21A1", "MOD11A1"], default="MOD21A1",
                         help="family of the LST granules, Terra's and Aqua's (with --granules)")  # fmt: skip
    _add_cluster_options(predict)
    predict.add_argument(
        "--out", type=Path, required=True, help="the Cloud-Optimised GeoTIFF to write, or its directory"
    )
    where = predict.add_mutually_exclusive_group()
    where.add_argument(
        "--bounds", metavar="W,S,E,N", help="a box in degrees (--bounds=-1.5,… where it begins with a minus)"
    )
    where.add_argument(
        "--shape", type=Path, metavar="GEOJSON", help="polygons in degrees, outside which the map is masked"
    )
    predict.add_argument(
        "--allow-different-days",
        action="store_true",
        help="take a reflectance or NDVI up to 16 days away (for one map)",
    )
    predict.add_argument("--quicklook", action="store_true", help="write a PNG map beside --out, too")
    _add_map_options(predict)
    _add_map(commands)
    _add_where(commands)

    verify = commands.add_parser(
        "verify", help="compare a directory with the registry of published pairs and checkpoints"
    )
    verify.set_defaults(command=_verify)
    verify.add_argument("directory", type=Path)
    for name in WITH_DOCUMENT:
        commands.choices[name].add_argument(
            "--json", action="store_true",
            help="print one JSON document on standard output, and all else on standard error",
        )  # fmt: skip
    return parser


def _methods() -> list[str]:
    """Names of all methods, the user's own among them, without a library that a method needs."""
    own = os.environ.get("LSTSR_METHODS")
    sources = [Path(__file__).with_name("sharpening") / "methods.py", *([resolve(own)] if own else [])]
    return [name for source in sources for name in registered_names(source, "method")]


def _profiles() -> list[str]:
    return sorted(path.stem for path in (PROJECT / "data" / "params").glob("*.yaml"))


def _products() -> tuple[str, ...]:
    from lstsr_core.modis.products import DOWNLOADABLE

    return DOWNLOADABLE


COMPLETED = {
    "--method": _methods,
    "--methods": lambda: [*_methods(), "all"],
    "--model": lambda: ["sif-cnn-sr1", "sif-cnn-sr2", "sc-unet", "aster-unet", "all"],
    "--product": _products,
    "--profile": _profiles,
    "--protocol": lambda: ["georeferenced", "published", "registered"],
    "--source": lambda: ["earthdata", "mirror", "sample"],
}
"""What a shell completes after an option that takes a name."""


def _add_map(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "map",
        help="make maps of LST at 250 m of a place on a day, or on many; it fetches what it needs",
        add_help=False,
    )
    command.add_argument("-h", "--help", action=_HelpWithMethods, help="show this, and the methods")
    command.set_defaults(command=_map)
    place = command.add_mutually_exclusive_group(required=True)
    place.add_argument("--place", metavar="W,S,E,N", help="a box in degrees")
    place.add_argument("--point", metavar="LON,LAT", help="the country around a point, up to --radius-km")
    place.add_argument(
        "--shape", type=Path, metavar="GEOJSON", help="polygons in degrees, outside which the map is masked"
    )
    command.add_argument("--radius-km", type=float, metavar="KM", help="around --point (default 30)")
    command.add_argument("--date", metavar="YYYY-MM-DD", help="the day of one map")
    command.add_argument("--start", metavar="YYYY-MM-DD", help="the first day of many, in place of --date")
    command.add_argument("--end", metavar="YYYY-MM-DD", help="the last day of many, which is included")
    command.add_argument(
        "--out", type=Path, required=True,
        help="the Cloud-Optimised GeoTIFF to write; of many days their directory; with --format zarr the"
        " store",
    )  # fmt: skip
    command.add_argument(
        "--format", choices=["tif", "zarr"], default="tif",
        help="a GeoTIFF for each day (tif, default), or one Zarr store of all days (zarr)",
    )  # fmt: skip
    command.add_argument(
        "--cache", type=Path, metavar="DIR",
        help="where granules stay, to be fetched once (default: this user's cache, which a line tells)",
    )  # fmt: skip
    command.add_argument(
        "--satellite", choices=["terra", "aqua"], default="terra",
        help="terra in the morning (default), or aqua in the early afternoon",
    )  # fmt: skip
    command.add_argument("--product", choices=["MOD21A1", "MOD11A1"], default="MOD21A1",
                         help="family of the LST, Terra's or Aqua's (default MOD21A1)")  # fmt: skip
    command.add_argument(
        "--quicklook", action=argparse.BooleanOptionalAction, default=True,
        help="write a PNG map beside each GeoTIFF, too",
    )  # fmt: skip
    _add_source_options(command)
    _add_map_options(command)


def _add_where(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("where", help="print the MODIS tiles of a point or a box, one a line")
    command._negative_number_matcher = _NUMBERS
    command.set_defaults(command=_where)
    command.add_argument("place", metavar="LON,LAT", help="a point, or a box W,S,E,N, in degrees")


_NUMBERS = re.compile(r"-[0-9.][-+0-9.,e]*")
"""Numbers with commas between are no option, though the first begins with a minus."""


def _add_map_options(command: argparse.ArgumentParser) -> None:
    """What every command that makes maps takes."""
    command._negative_number_matcher = _NUMBERS
    command.add_argument(
        "--method", default="aster-unet-restored",
        help="any that lstsr evaluate knows, or one of your own (default aster-unet-restored)",
    )  # fmt: skip
    command.add_argument(
        "--weights", type=Path, metavar="DIR",
        help="directory of <method>.safetensors or of the published checkpoints' folders (default: the "
        "package's own weights)",
    )  # fmt: skip
    command.add_argument(
        "--water", type=Path, metavar="PATH", help="MOD44W granule, or directory of them: water is masked"
    )
    command.add_argument(
        "--layer", default="day", choices=("day", "night"), help="of the LST granule (default day)"
    )
    command.add_argument(
        "--seed", type=int, default=0, help="of methods that draw random numbers (default 0)"
    )
    command.add_argument(
        "--threads", type=int, help="of the CPU (default: as many as there are, or as torch takes)"
    )
    command.add_argument(
        "--dry-run", action="store_true", help="say what it would read, write and take, and do nothing"
    )


def _add_source_options(command: argparse.ArgumentParser) -> None:
    """What every command that fetches granules takes."""
    command.add_argument(
        "--source", default="earthdata", help="earthdata (default), mirror, or sample, which simulates"
    )
    command.add_argument("--url", help="of a mirror's archive, such as https://archive.example.org")
    command.add_argument(
        "--path", help="directory of the products on the mirror (default MOLT for Terra's, MOLA for Aqua's)"
    )
    command.add_argument(
        "--attempts", type=int, default=6, help="requests for one thing before giving up (default 6)"
    )
    command.add_argument(
        "--first-wait", type=float, default=2.0, metavar="SECONDS",
        help="before the second attempt, doubled before each further one (default 2)",
    )  # fmt: skip


def _add_cluster_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--workers", type=int, metavar="N", help="processes that work at once on many granules"
    )
    command.add_argument(
        "--scheduler", metavar="tcp://…", help="a Dask scheduler of your own, instead of processes here"
    )


def _add_geotiff_options(command: argparse.ArgumentParser) -> None:
    """What a user may say of a GeoTIFF's numbers, which are else judged by its tags and their range."""
    for option, name in (("lst", "LST (in kelvin)"), ("ndvi", "NDVI")):
        command.add_argument(
            f"--{option}-scale",
            type=float,
            metavar="X",
            help=f"of a GeoTIFF: {name} is a number × scale + offset",
        )
        command.add_argument(f"--{option}-offset", type=float, metavar="X", help="the same, such as 273.15")
        command.add_argument(
            f"--{option}-nodata", type=float, metavar="X", help="of a GeoTIFF: the number that means no data"
        )
    command.add_argument(
        "--lst-qc",
        type=Path,
        metavar="FILE",
        help="GeoTIFF of the LST's QC_Day, QC_Night or QC, without which its quality is not checked",
    )


def _geotiff_options_of(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of a request that `_add_geotiff_options` gives."""
    from lstsr_core.modis.geotiff import Encoding

    encodings = {
        f"{name}_encoding": Encoding(
            *(getattr(options, f"{name}_{part}") for part in ("scale", "offset", "nodata"))
        )
        for name in ("lst", "ndvi")
    }
    return {**encodings, "lst_qc": options.lst_qc}


def _run(options: argparse.Namespace) -> int:
    from lstsr_core.runner import run_profile
    from lstsr_core.stages.order import UPSTREAM
    from lstsr_core.stages.profiles import notebook_named, read_settings

    names = list(UPSTREAM)
    if options.only and options.start:
        raise InputError("--only and --from exclude each other; give one of them.")
    if options.only:
        notebooks = [notebook_named(options.only)]
    else:
        notebooks = names[names.index(notebook_named(options.start)) :] if options.start else names
    announce_terminal()
    run_profile(options.profile, read_settings(options.settings), notebooks, options.force, tqdm.write)
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from lstsr_core.pairs import published

    announce_terminal()
    base_url = f"{options.url.rstrip('/')}/" if options.url else published.BASE_URL
    directory = published.fetch(published.user_cache(), base_url)
    absent = [name for name in published.registry() if not (directory / name).is_file()]
    print(directory)
    options.report.result = {"directory": directory, "absent": absent}
    if absent:
        options.report.warn(
            f"{len(absent)} of {len(published.registry())} published files are not there yet; the same"
            " command fetches those that are missing"
        )
    return int(bool(absent))


def _download(options: argparse.Namespace) -> int:
    import threading

    from lstsr_core.download import download
    from lstsr_core.download.transfer import Patience
    from lstsr_core.geo.grid import Tile
    from lstsr_core.modis.products import Product

    download.check_threads(options.threads)
    products = [Product.parse(name) for name in options.product]
    tiles = [Tile.parse(name) for name in options.tile]
    stop = threading.Event()
    patience = Patience(options.attempts, options.first_wait)
    source = download.open_source(options.source, patience, stop, options.url, options.path, options.seed)
    plan = download.make_plan(
        source, products, tiles, parse_day(options.start), parse_day(options.end), options.out
    )
    if options.dry_run:
        estimate = download.estimate(source, plan, options.threads)
        options.report.result = {"directory": options.out, **asdict(estimate)}
        print(estimate)
        return 0
    result = download.download(source, plan, options.out, options.threads, stop)
    _tell_failures(result, options.report)
    options.report.result = {"directory": options.out, **asdict(result)}
    if result.unchecked and options.source != "sample":
        print(
            f"{len(result.unchecked)} granules have no checksum in the archive; size and content alone were"
            " checked"
        )
    print(f"{options.out}: {len(result.fetched)} granules fetched, {len(result.held)} were here, "
          f"{len(result.failed) + len(result.untried)} failed")  # fmt: skip
    return int(bool(result.failed or result.untried))


def _tell_failures(result: Result, report: Report) -> None:
    for reason in result.failed.values():
        report.warn(" ".join(reason.split()))
    if result.untried:
        report.warn(
            f"{len(result.untried)} more granules were not tried, since nothing came any more; the same"
            " command goes on with them"
        )


def _check_pairs(directory: Path) -> None:
    if not directory.is_dir():
        raise InputError(
            f"{directory}: no such directory; expected ASTER–MODIS pairs there. 'lstsr fetch' brings the"
            " published ones, and prints where."
        )


def _train(options: argparse.Namespace) -> int:
    from lstsr_core.base.outputs import check_outputs
    from lstsr_core.maps.validity import TRAINED_ON
    from lstsr_core.networks import cross_validation
    from lstsr_core.networks.data import from_pairs, from_patches
    from lstsr_core.networks.settings import MODELS, MOST_THREADS, settings_of
    from lstsr_core.networks.weights_files import FOLDS_TABLE
    from lstsr_core.pairs.pair import pair_ids
    from lstsr_core.pairs.scenes import are_published

    if options.model == "aster-unet" or options.target == "aster":
        return _fine_tune(options)
    if options.model not in (*MODELS, "all"):
        raise InputError(f"unknown model '{options.model}'; known models: {', '.join(MODELS)} (or all).")
    models = MODELS if options.model == "all" else [options.model]
    trainings = [settings_of(model, options.settings) for model in models]
    if options.threads is not None:
        if not 1 <= options.threads <= MOST_THREADS:
            raise InputError(f"--threads is {options.threads}; expected 1 to {MOST_THREADS}.")
        trainings = [settings.model_copy(update={"threads": options.threads}) for settings in trainings]
    if options.pairs is not None:
        _check_pairs(options.pairs)
    elif not options.patches.is_dir():
        raise InputError(f"{options.patches}: no such directory; 'lstsr patches' cuts some.")
    if options.folds is not None and options.pairs is None:
        raise InputError(
            "--folds needs --pairs: folds are of pairs, each judged by the network that has not seen it."
        )
    endings = ("safetensors", cross_validation.CHECKPOINT, "curves.csv")
    written = [
        FOLDS_TABLE,
        "ndvi.npy",
        *(f"{settings.model}.{ending}" for settings in trainings for ending in endings),
    ]
    check_outputs(options, *(options.out / name for name in written))
    if options.pairs:
        data = from_pairs(options.pairs, options.scenes)
        source = f"MODIS side of {len(data)} ASTER–MODIS pairs, aligned"
        source += f" ({TRAINED_ON})" if are_published(data.digests or []) else ""
        left_out = len(pair_ids(options.pairs)) - len(data)
        if left_out:
            print(
                f"{left_out} test scenes are left out, which judge (--scenes all takes them)", file=sys.stderr
            )
    else:
        data = from_patches(options.patches, options.out / "ndvi.npy")
        source = f"{len(data)} patches of MODIS granules"
    for settings in trainings:
        if not options.resume:
            cross_validation.forget(settings.model, options.out)
        if options.folds is not None:
            cross_validation.cross_validate(data, settings, options.folds, options.out, source)
        else:
            cross_validation.train_weights(data, settings, options.out, source)
        print(f"{options.out}: {settings.model} trained")
    return 0


def _fine_tune(options: argparse.Namespace) -> int:
    if (options.model, options.target) != ("aster-unet", "aster"):
        raise InputError(
            f"--model {options.model} with --target {options.target}: aster-unet alone learns from ASTER;"
            " give --model aster-unet --target aster, or another model without --target."
        )
    if options.pairs is None or options.scenes != "development":
        raise InputError(
            "--target aster needs --pairs, and takes the development scenes alone: the test scenes judge."
        )
    from lstsr_core.base.outputs import check_outputs
    from lstsr_core.base.text import read_yaml
    from lstsr_core.networks import cross_validation, fine_tuning
    from lstsr_core.networks.weights_files import FOLDS_TABLE
    from lstsr_core.pairs.pair import pair_ids

    values, where = {}, "the settings"
    if options.settings != "pairs":
        values, where = (
            read_yaml(Path(options.settings), "YAML with names and values of settings"),
            options.settings,
        )
    if options.threads is not None:
        values |= {"threads": options.threads}
    settings = fine_tuning.FineTuningSettings.check(values, where)
    _check_pairs(options.pairs)
    endings = ("safetensors", cross_validation.CHECKPOINT, "curves.csv")
    written = [FOLDS_TABLE, *(f"{settings.model}.{ending}" for ending in endings)]
    check_outputs(options, *(options.out / name for name in written))
    data = fine_tuning.read_scenes(options.pairs)
    left_out = len(pair_ids(options.pairs)) - len(data)
    if left_out:
        print(f"{left_out} test scenes are left out, which judge", file=sys.stderr)
    source = f"ASTER and MODIS of {len(data)} development pairs, aligned and registered"
    if not options.resume:
        cross_validation.forget(settings.model, options.out)
    if options.folds is not None:
        fine_tuning.fine_tune_folds(data, settings, options.folds, options.out, source)
    else:
        fine_tuning.fine_tune(data, settings, options.out, source)
    print(f"{options.out}: {settings.model} trained")
    return 0


def _card(options: argparse.Namespace) -> int:
    if options.weights.suffix == ".pt":
        # torch, without which a published checkpoint cannot be read
        from lstsr_core.networks.weights import load_model

        model = load_model(options.weights)
        card = {"statistics": asdict(model.statistics), **model.card}
    else:
        from lstsr_core.networks.weights_files import read_card

        stored = read_card(options.weights)
        card = {"statistics": stored["statistics"], **stored}
    options.report.result = card
    print(
        yaml.safe_dump(card, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120), end=""
    )
    return 0


def _report(options: argparse.Namespace) -> int:
    from lstsr_core.base.outputs import check_outputs
    from lstsr_core.evaluation import weights_report
    from lstsr_core.evaluation.table import write_table

    written = (weights_report.TEST_TABLE, weights_report.DEVELOPMENT_TABLE, "curves.csv")
    check_outputs(options, *(options.out / name for name in written))
    names, noted = [weights_report.TEST_TABLE], options.protocol == weights_report.PROTOCOL
    if options.folds is not None:
        curves = weights_report.mean_curves(options.folds)
        table = weights_report.judge(
            options.folds, options.weights, options.published, options.pairs, options.protocol
        )
        write_table(table, options.out / weights_report.DEVELOPMENT_TABLE)
        write_table(curves, options.out / "curves.csv", decimals=8)
        if noted:
            weights_report.note_in_cards(table, options.weights)
        names += [weights_report.DEVELOPMENT_TABLE, "curves.csv"]
    table = weights_report.judge_test_scenes(
        options.weights, options.published, options.pairs, options.protocol
    )
    write_table(table, options.out / weights_report.TEST_TABLE)
    if noted:
        weights_report.note_test_scenes(table, options.weights)
    cards = f"; means noted in the cards of {options.weights}" if noted else ""
    print(f"{options.out}: {', '.join(names)}{cards}")
    return 0


def _register(options: argparse.Namespace) -> int:
    from lstsr_core.base.outputs import check_outputs
    from lstsr_core.evaluation import registration_report as report

    _check_pairs(options.pairs)
    check_outputs(
        options,
        *(options.out / name for name in (report.SHIFTS_TABLE, report.CONSTANT_FILE, report.GROUPS_TABLE)),
    )
    shift = report.write(options.pairs, options.out)
    place = f"{shift.rows:.2f} rows down and {shift.columns:.2f} columns to the right"
    print(f"{options.out}: ASTER lies {place}")
    return 0


def _calibrate(options: argparse.Namespace) -> int:
    from lstsr_core.base.outputs import check_outputs
    from lstsr_core.evaluation.calibration import calibrate, note_in_card

    _check_pairs(options.pairs)
    if not options.folds.is_dir():
        raise InputError(f"{options.folds}: no such directory; 'lstsr train --folds' writes one.")
    check_outputs(options, options.out)
    if options.weights is not None and not options.weights.is_file():
        raise InputError(f"{options.weights}: no such file; expected aster-unet.safetensors.")
    content = calibrate(options.pairs, options.folds, options.out)
    if options.weights is not None:
        note_in_card(content, options.weights)
    for network in ("sc-unet", "aster-unet"):
        for name, means in content[network]["out_of_fold"].items():
            figures = ", ".join(f"{metric} {value:.3f}" for metric, value in means.items())
            print(f"{name}, out of fold: {figures}")
    print(f"{options.out}: coefficients written")
    return 0


def _coverage(options: argparse.Namespace) -> int:
    from lstsr_core.base.outputs import check_outputs
    from lstsr_core.evaluation import coverage
    from lstsr_core.evaluation.table import write_table
    from lstsr_core.sharpening.methods import check_methods

    _check_pairs(options.pairs)
    if options.weights is not None and not options.weights.is_dir():
        raise InputError(f"{options.weights}: no such directory; 'lstsr train --folds' writes one.")
    check_outputs(options, options.out)
    methods = check_methods(options.methods.split(",")) if options.methods else coverage.with_uncertainty()
    table = coverage.judge(options.pairs, options.scenes, options.weights, methods)
    write_table(table, options.out)
    for row in table[table["quarter"].isna()].to_dict("records"):
        shares = ", ".join(f"{row[name]:.1%} {name.replace('_', ' ')}" for name in coverage.WITHIN)
        print(f"{row['method']}, {row['part']}: {shares} standard deviations")
    options.report.result = {"table": options.out, "shares": table.to_dict("records")}
    print(f"{options.out}: coverage written")
    return 0


def _patches(options: argparse.Namespace) -> int:
    from lstsr_core.base.outputs import check_outputs
    from lstsr_core.maps.jobs import cut_all
    from lstsr_core.modis.day_pairs import check_directory
    from lstsr_core.patches.cutting import PatchSettings, update
    from lstsr_core.patches.plan import plan

    if not 0.0 < options.share < 1.0:
        raise InputError(f"--share is {options.share}; expected a number above 0 and below 1.")
    if options.seed < 0:
        raise InputError(f"--seed is {options.seed}; expected 0 or more.")
    check_directory(options.granules)
    settings = PatchSettings(options.layer, options.coverage, options.qc, options.water, options.dilation)
    directory = options.out / "night" if options.layer == "night" else options.out
    check_outputs(
        options,
        *(directory / name for name in ("patches.csv", "granules.csv", "statistics.json", "failures.csv")),
    )
    if options.dry_run:
        cutting = plan(options.granules, directory, settings, options.product)
        options.report.result = {"directory": directory, **asdict(cutting)}
        print(cutting)
        return 0
    arguments = (
        options.granules,
        directory,
        settings,
        options.product,
        options.share,
        options.seed,
        options.split,
    )
    if options.workers is None and options.scheduler is None:
        tables = update(*arguments)
        for reason in tables.failures.values():
            options.report.warn(f"left out: {reason}")
    else:
        tables = cut_all(*arguments, scheduler=options.scheduler, workers=options.workers)
    training = int((tables.patches["split"] == "train").sum())
    options.report.result = {
        "directory": directory,
        "patches": len(tables.patches),
        "granules": len(tables.granules),
        "training": training,
        "failed": dict(tables.failures),
    }
    print(
        f"{directory}: {len(tables.patches)} patches of {len(tables.granules)} LST granules, {training} of"
        " them to train on"
    )
    return 1 if tables.failures else 0


def _evaluate(options: argparse.Namespace) -> int:
    from lstsr_core.base.files import check_writable
    from lstsr_core.base.outputs import check_outputs
    from lstsr_core.evaluation.protocols import check_protocols
    from lstsr_core.evaluation.table import evaluate, write_table
    from lstsr_core.metrics.perceptual import load_lpips
    from lstsr_core.networks.weights import load_model
    from lstsr_core.networks.weights_files import NETWORKS, unseen_weights, weights_file
    from lstsr_core.pairs.pair import pair_ids
    from lstsr_core.pairs.scenes import read_part
    from lstsr_core.sharpening.methods import WEIGHTS_MISSING, Options, check_methods

    methods = check_methods(options.methods.split(","))
    protocols = check_protocols(options.protocol.split(","))
    lpips = load_lpips(options.lpips_weights)
    if options.weights is not None and not options.weights.is_dir():
        raise InputError(f"{options.weights}: no such directory; expected weights files there.")
    _check_pairs(options.pairs)
    check_outputs(options, options.out)
    check_writable(options.out)
    everything = options.scenes == "all"
    ids = (
        pair_ids(options.pairs)
        if everything
        else [pair.id for pair in read_part(options.pairs, options.scenes)]
    )
    networks = [name for name in methods if name in NETWORKS]
    directories = {
        options.weights and unseen_weights(options.weights, pair_id) for pair_id in ids if networks
    }
    files = {weights_file(directory, NETWORKS[name]) for directory in directories for name in networks}
    for path in sorted(path for path in files if path is not None):
        load_model(path)  # refused here if it is damaged or of another network, rather than in every row
    results = evaluate(
        options.pairs, bar(ids, "Evaluating", "pair"), methods, protocols,
        Options(options.weights, options.seed), lpips, options.keep_going,
    )  # fmt: skip
    table = results.table()
    write_table(table, options.out)
    report: Report = options.report
    if not lpips.available:
        report.warn(f"lpips: empty column. {lpips.reason}", prefix="")
    empty = table[~table["scene"].isin(list(results.failures)) & (table["status"] != "ok")]
    for (protocol, name, status), group in empty.groupby(["protocol", "method", "status"], sort=False):
        hint = " (give --weights a directory that has them)" if status == WEIGHTS_MISSING else ""
        scenes = (
            "all scenes" if len(group) == table["scene"].nunique() else f"scene {', '.join(group['scene'])}"
        )
        report.warn(f"{name}, {protocol}, {scenes}: row empty: {status}{hint}", prefix="")
    for name, group in table[table["in_sample"].eq(True)].groupby("method", sort=False):
        report.warn(
            f"{name!s}: trained on {group['scene'].nunique()} of these scenes; their rows are in-sample",
            prefix="",
        )
    for pair_id, remarks in results.remarks.items():
        report.warn(f"pair {pair_id}: {remarks}", prefix="")
    for pair_id, reason in results.failures.items():
        report.warn(f"pair {pair_id} left out: {reason}")
    judged = table[table["status"] == "ok"].groupby(["protocol", "method"], sort=False, observed=True)
    means = judged.mean(numeric_only=True).assign(scenes=judged["scene"].nunique()).reset_index()
    report.result = {
        "table": options.out,
        "rows": len(table),
        "pairs": len(ids),
        "failed": dict(results.failures),
        "means": means.to_dict("records"),
    }
    print(f"{options.out}: {len(table)} rows, {len(ids) - len(results.failures)} of {len(ids)} pairs")
    return 1 if results.failures else 0


def _predict(options: argparse.Namespace) -> int:
    from lstsr_core.base.files import check_writable
    from lstsr_core.base.outputs import check_outputs
    from lstsr_core.maps.area import parse_bounds
    from lstsr_core.maps.plan import plan_granule
    from lstsr_core.maps.predict import picture_of, predict
    from lstsr_core.maps.request import Request, default_threads

    if options.ndvi is not None and options.reflectance is not None:
        raise InputError("--ndvi and --reflectance exclude each other, since a map has one NDVI.")
    ndvi = options.ndvi or options.reflectance
    if (options.granules is None) == (options.lst is None or ndvi is None):
        raise InputError(
            "expected --lst with --reflectance or --ndvi, or --granules: two files for one map, or a"
            " directory for many. 'lstsr map' takes a place and a day, and fetches the files."
        )
    bounds = parse_bounds(options.bounds) if options.bounds else None
    if options.granules is not None:
        return _predict_many(options, bounds)
    if options.workers is not None or options.scheduler is not None:
        raise InputError("--workers and --scheduler are for many maps: give --granules a directory.")
    threads = default_threads(options.method) if options.threads is None else options.threads
    request = Request(
        options.method, options.weights, options.layer, bounds, options.shape, options.water,
        options.allow_different_days, options.quicklook, options.seed, threads,
        **_geotiff_options_of(options),
    )  # fmt: skip
    pictures = [picture_of(options.out)] if options.quicklook else []
    check_outputs(options, options.out, *pictures)
    if options.dry_run:
        plan = plan_granule(options.lst, ndvi, request)
        for warning in plan.warnings:
            options.report.warn(warning)
        options.report.result = {"path": options.out, **_without_warnings(plan)}
        print(plan)
        return 0
    check_writable(options.out)
    summary = predict(options.lst, ndvi, options.out, request)
    for warning in summary.warnings:
        options.report.warn(warning)
    options.report.result = {"maps": [_map_document(summary)]}
    print(summary)
    return 0


def _predict_many(options: argparse.Namespace, bounds: Extent | None) -> int:
    from lstsr_core.base.outputs import check_outputs
    from lstsr_core.maps.batch import FAILURES_FILE, SETTINGS_FILE
    from lstsr_core.maps.jobs import DIGESTS_FILE, NOTHING_FILE, map_job
    from lstsr_core.maps.predict import Summary
    from lstsr_core.maps.request import Request
    from lstsr_core.modis.geotiff import Encoding

    if options.threads not in (None, 1):
        raise InputError(
            f"--threads is {options.threads}: with --granules each process has one; give --workers instead."
        )
    if options.allow_different_days:
        raise InputError(
            "--allow-different-days is for one map: with --granules each LST goes with the reflectance of its"
            " day."
        )
    unsaid = {"lst_encoding": Encoding(), "ndvi_encoding": Encoding(), "lst_qc": None}
    if options.ndvi is not None or _geotiff_options_of(options) != unsaid:
        raise InputError(
            "--ndvi and what is said of GeoTIFFs are for one map: with --granules each LST goes with the"
            " reflectance of its day."
        )
    if options.out.is_file():
        raise InputError(f"{options.out}: is a file; with --granules --out is the maps' directory.")
    request = Request(
        options.method, options.weights, options.layer, bounds, options.shape, options.water,
        quicklook=options.quicklook, seed=options.seed,
    )  # fmt: skip
    check_outputs(
        options, *(options.out / name for name in (FAILURES_FILE, SETTINGS_FILE, DIGESTS_FILE, NOTHING_FILE))
    )
    job = map_job(options.granules, options.out, request, options.product)
    if options.dry_run:
        estimate = job.estimate(scheduler=options.scheduler, workers=options.workers)
        minutes = None if estimate.trial is None else estimate.minutes
        options.report.result = {"directory": options.out, **asdict(estimate), "minutes": minutes}
        print(estimate)
        return 0
    outcomes = job.run(scheduler=options.scheduler, workers=options.workers)
    names: dict[str, list[str]] = {}
    for outcome in outcomes:
        for warning in getattr(outcome.result, "warnings", ()):
            names.setdefault(warning, []).append(outcome.name)
    _warn_once_each(names, options.report)
    failed = sum(outcome.failed for outcome in outcomes)
    nothing = job.count("nothing") + sum(outcome.nothing for outcome in outcomes)
    new = sum(getattr(outcome.result, "made", False) for outcome in outcomes)
    there = len(job.states) - new - failed - nothing
    options.report.result = {
        "directory": options.out,
        "maps": [
            _map_document(outcome.result) for outcome in outcomes if isinstance(outcome.result, Summary)
        ],
        "there_already": there,
        "failed": {outcome.name: outcome.reason for outcome in outcomes if outcome.failed},
        "with_nothing_to_map": nothing,
    }
    summary = f"{new} maps made, {there} there already, {failed} failed"
    print(f"{options.out}: {summary}{f', {nothing} with nothing to map' if nothing else ''}")
    return int(failed > 0)


def _map(options: argparse.Namespace) -> int:
    import threading

    from lstsr_core.download.download import download, open_source
    from lstsr_core.download.transfer import Patience
    from lstsr_core.maps.cache import default_directory
    from lstsr_core.maps.days import DOWNLOADS_AT_ONCE, plan_maps

    order, stop = _order(options), threading.Event()
    patience = Patience(options.attempts, options.first_wait)
    source = open_source(options.source, patience, stop, options.url, options.path)
    plan = plan_maps(order, source, options.cache or default_directory())
    if options.dry_run:
        return _tell_plan(plan, options.report)
    result = download(plan.source, plan.download, plan.cache.granules, DOWNLOADS_AT_ONCE, stop)
    _tell_failures(result, options.report)
    options.report.result = {**_place_document(plan), "fetched": result.fetched}
    code = _make_maps(plan, options)
    options.report.result["cache"] = plan.cache.document
    print(plan.cache)
    return code


def _place_document(plan: Plan) -> dict[str, Any]:
    return {
        "place": plan.order.place.name,
        "tiles": [str(tile) for tile in plan.own_tiles],
        "margin_tiles": [str(tile) for tile in plan.tiles if tile not in plan.own_tiles],
        "source": plan.source.name,
    }


def _map_document(summary: Summary) -> dict[str, Any]:
    """A map as a document has it."""
    from lstsr_core.maps.predict import picture_of

    picture = picture_of(summary.out)
    fields = _without_warnings(summary)
    return {"path": fields.pop("out"), "picture": picture if picture.is_file() else None, **fields}


def _without_warnings(record: Summary | MapPlan) -> dict[str, Any]:
    """The fields of what a command prints, less its warnings, which a document holds once for all."""
    return {name: value for name, value in asdict(record).items() if name != "warnings"}


def _order(options: argparse.Namespace) -> Order:
    """What maps the options ask for, with outputs that can be written."""
    from lstsr_core.base.files import check_writable
    from lstsr_core.base.outputs import check_outputs
    from lstsr_core.maps.days import Order
    from lstsr_core.maps.predict import picture_of
    from lstsr_core.maps.request import Request, default_threads

    many = options.start is not None or options.end is not None
    if many == (options.date is not None) or (many and None in (options.start, options.end)):
        raise InputError("expected --date for one day, or --start and --end for many.")
    start, end = (parse_day(text) for text in ((options.start, options.end) if many else [options.date] * 2))
    place, zarr = _place(options), options.format == "zarr"
    threads = default_threads(options.method) if options.threads is None else options.threads
    request = Request(
        options.method, options.weights, options.layer, None, options.shape, options.water,
        quicklook=options.quicklook and not zarr, seed=options.seed, threads=threads,
    )  # fmt: skip
    order = Order(place, start, end, options.satellite, options.product, request)
    outputs = [options.out / order.name(day) for day in order.days] if many and not zarr else [options.out]
    check_outputs(options, *outputs, *(picture_of(out) for out in outputs if request.quicklook))
    if many and options.out.is_file():
        raise InputError(f"{options.out}: is a file; of many days --out is the maps' directory.")
    if not options.dry_run and not (zarr and options.out.is_dir()):
        check_writable(outputs[0])
    return order


def _place(options: argparse.Namespace) -> Place:
    from lstsr_core.maps.place import Place

    if options.radius_km is not None and options.point is None:
        raise InputError("--radius-km goes with --point LON,LAT.")
    if options.shape is not None:
        return Place.of_shape(options.shape)
    if options.point is not None:
        return Place.circle(options.point, 30.0 if options.radius_km is None else options.radius_km)
    return Place.box(options.place)


def _tell_plan(plan: Plan, report: Report) -> int:
    from lstsr_core.base.errors import NoResult
    from lstsr_core.download.download import estimate
    from lstsr_core.maps.days import DOWNLOADS_AT_ONCE

    days = plan.order.days
    warnings: list[str] = []
    reasons: list[str] = []
    for day in days:
        try:
            warnings += plan.warnings(day)
        except NoResult as error:
            reasons.append(str(error))
    if len(reasons) == len(days):
        raise InputError(reasons[0])
    for line in dict.fromkeys([*reasons, *warnings]):
        report.warn(line)
    report.result = {
        **_place_document(plan),
        "days": days,
        "download": estimate(plan.source, plan.download, DOWNLOADS_AT_ONCE),
        "map": _without_warnings(plan.each),
        "cache": plan.cache.document,
    }
    print(plan)
    return 0


def _make_maps(plan: Plan, options: argparse.Namespace) -> int:
    from lstsr_core.maps.days import map_day, map_days

    if options.format == "zarr":
        from lstsr_core.maps.zarr_store import map_store

        outcomes = map_store(plan, options.out)
        if outcomes is None:
            options.report.result["store"] = {"path": options.out, "made": False}
            print(f"{options.out}: was there already")
            return 0
        code = _tell_outcomes(options.out, outcomes, options.report)
        options.report.result["store"] = {"path": None if code else options.out, "made": not code}
        for day in options.report.result["days"]:  # its maps were files on the way into the store
            day["map"] = day["map"] and {**day["map"], "path": None}
        if code:
            options.report.warn(
                f"{options.out}: not written, since days failed; the same command tries them again"
            )
        return code
    if options.date is None:
        return _tell_outcomes(options.out, list(map_days(plan, options.out)), options.report)
    summary = map_day(plan, plan.order.start, options.out)
    for warning in summary.warnings:
        options.report.warn(warning)
    options.report.result["days"] = [
        {"day": plan.order.start, "map": _map_document(summary), "failed": False, "reason": None}
    ]
    print(summary)
    return 0


def _warn_once_each(names: Mapping[str, list[str]], report: Report) -> None:
    """Say each warning once, with the first of the maps that it is of, and how many more there are."""
    for warning, warned in names.items():
        more = f" and {len(warned) - 1} more" * (len(warned) > 1)
        report.warn(f"{warned[0]}{more}: {warning}")


def _tell_outcomes(out: Path, outcomes: Sequence[Outcome], report: Report) -> int:
    """Say what became of many days, and give the exit code: 1 where one failed, or nothing was mapped."""
    days: dict[str, list[str]] = {}
    for outcome in outcomes:
        for warning in outcome.summary.warnings if outcome.summary is not None else ():
            days.setdefault(warning, []).append(str(outcome.day))
        if outcome.reason:
            report.warn(f"{'' if outcome.failed else 'nothing to map: '}{outcome.reason}")
    _warn_once_each(days, report)
    report.result["days"] = [
        {
            "day": outcome.day,
            "map": None if outcome.summary is None else _map_document(outcome.summary),
            "failed": outcome.failed,
            "reason": outcome.reason or None,
        }
        for outcome in outcomes
    ]
    made = sum(outcome.summary is not None and outcome.summary.made for outcome in outcomes)
    there = sum(outcome.summary is not None for outcome in outcomes) - made
    failed = sum(outcome.failed for outcome in outcomes)
    nothing = len(outcomes) - made - there - failed
    tail = f", {nothing} with nothing to map" if nothing else ""
    print(f"{out}: {made} maps made, {there} there already, {failed} failed{tail}")
    return int(failed > 0 or nothing == len(outcomes))


def _where(options: argparse.Namespace) -> int:
    from lstsr_core.geo.shorelines import tiles_with_land
    from lstsr_core.maps.place import Place

    tiles = Place.parse(options.place).tiles
    for tile in tiles:
        print(tile)
    sea = [str(tile) for tile in tiles if tile not in tiles_with_land()]
    if sea:
        options.report.warn(f"{', '.join(sea)}: no land, of which alone there are granules")
    options.report.result = {"tiles": [str(tile) for tile in tiles], "without_land": sea}
    return 0


def _verify(options: argparse.Namespace) -> int:
    from lstsr_core.pairs import published

    if not options.directory.is_dir():
        raise InputError(
            f"{options.directory}: no such directory; 'lstsr fetch' brings what is published, and prints"
            " where."
        )
    files = published.verify(options.directory)
    differing = list(files.loc[files["status"] == "differs from the registry", "file"])
    for name in differing:
        print(f"{name}: differs from the registry")
    counts = files.groupby(["kind", "status"]).size().rename("files").reset_index()
    options.report.result = {
        "directory": options.directory,
        "counts": counts.to_dict("records"),
        "differing": differing,
    }
    print(counts.to_string(index=False))
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
