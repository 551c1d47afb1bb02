"""The archive's metadata texts of a simulated granule, as long and
as nested as those of the files that NASA makes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from lstsr_core.modis.names import GranuleName
from lstsr_core.modis.products import COMPOSITE_DAYS

_WIDTH = 23
_WRAP = 200
_ALGORITHM = "simulated landscape and sensor"


def archive_texts(
    name: GranuleName, parameters: Sequence[str], begins: datetime.time, ends: datetime.time
) -> dict[str, str]:
    """``CoreMetadata.0`` and ``ArchiveMetadata.0`` of a granule.

    Parameters
    ----------
    name : GranuleName
    parameters : sequence of str
        What the granule holds; each has a report of its quality.
    begins, ends : datetime.time
        First and last moment (UTC) of the name's day that the granule covers.
    """
    return {"CoreMetadata.0": _core(name, parameters, begins, ends), "ArchiveMetadata.0": _archive(name)}


def _core(name: GranuleName, parameters: Sequence[str], begins: datetime.time, ends: datetime.time) -> str:
    # The last day of a year's granule is the year's, and of 16 days' their last.
    last = name.date.replace(month=12, day=31) if name.kind == "44W" else name.date
    if name.kind == "13Q1":
        last = name.date + datetime.timedelta(days=COMPOSITE_DAYS - 1)
    groups = {
        "ECSDATAGRANULE": _objects(
            2,
            {
                "LOCALGRANULEID": str(name),
                "PRODUCTIONDATETIME": name.production,
                "DAYNIGHTFLAG": "Both",
                "REPROCESSINGACTUAL": "processed once",
                "LOCALVERSIONID": "simulated",
                "REPROCESSINGPLANNED": "no further update is anticipated",
            },
        ),
        "MEASUREDPARAMETER": "".join(
            _quality(number, text) for number, text in enumerate(parameters, start=1)
        ),
        "COLLECTIONDESCRIPTIONCLASS": _objects(
            2, {"VERSIONID": int(name.collection), "SHORTNAME": name.product}
        ),
        "INPUTGRANULE": _objects(2, {"INPUTPOINTER": _inputs(name)}),
        "RANGEDATETIME": _objects(
            2,
            {
                "RANGEENDINGDATE": last.isoformat(),
                "RANGEENDINGTIME": ends.isoformat(),
                "RANGEBEGINNINGDATE": name.date.isoformat(),
                "RANGEBEGINNINGTIME": begins.isoformat(),
            },
        ),
        "PGEVERSIONCLASS": _objects(2, {"PGEVERSION": "0.0.0"}),
        "ASSOCIATEDPLATFORMINSTRUMENTSENSOR": _container(
            "ASSOCIATEDPLATFORMINSTRUMENTSENSORCONTAINER",
            1,
            {
                "ASSOCIATEDSENSORSHORTNAME": "MODIS",
                "ASSOCIATEDPLATFORMSHORTNAME": name.platform,
                "ASSOCIATEDINSTRUMENTSHORTNAME": "MODIS",
            },
        ),
        "ADDITIONALATTRIBUTES": "".join(
            _container(
                "ADDITIONALATTRIBUTESCONTAINER",
                number,
                {"ADDITIONALATTRIBUTENAME": key, "PARAMETERVALUE": value},
            )
            for number, (key, value) in enumerate(_additional(name).items(), start=1)
        ),
    }
    return _master("INVENTORYMETADATA", groups)


def _archive(name: GranuleName) -> str:
    inputs = _inputs(name)
    groups = {
        "ALGORITHMPACKAGE": _objects(
            2, {"ALGORITHMPACKAGENAME": _ALGORITHM, "ALGORITHMPACKAGEMATURITYCODE": "Normal"}
        ),
        "PROJECT": _objects(
            2, {"LONGNAME": f"MODIS/{name.platform} {name.product}, simulated", "INSTRUMENTNAME": "none"}
        ),
        "INPUTGRANULES": "".join(
            _container("INPUTGRANULECONTAINER", number, {"INPUTGRANULEPOINTER": text})
            for number, text in enumerate(inputs, start=1)
        ),
        "PROCESSING": _objects(2, {"PROCESSINGCENTER": "lstsr", "PROCESSINGENVIRONMENT": _ALGORITHM}),
    }
    return _master("ARCHIVEDMETADATA", groups)


def _inputs(name: GranuleName) -> tuple[str, ...]:
    """What the granule would have been made of: swaths of five minutes, four files each."""
    day = f"A{name.date:%Y%j}"
    times = [f"{hour:02d}{minute:02d}" for hour in (1, 10, 13, 22) for minute in (20, 25)]
    kinds = ("021KM", "03", "35_L2", "07_L2")
    return tuple(
        f"{name.product[:3]}{kind}.{day}.{time}.{name.collection}.simulated"
        for time in times
        for kind in kinds
    )


def _additional(name: GranuleName) -> dict[str, str]:
    return {
        "QAPERCENTGOODQUALITY": "50",
        "QAPERCENTOTHERQUALITY": "10",
        "QAPERCENTNOTPRODUCEDCLOUD": "30",
        "QAPERCENTNOTPRODUCEDOTHER": "10",
        "HORIZONTALTILENUMBER": f"{name.tile.horizontal:02d}",
        "VERTICALTILENUMBER": f"{name.tile.vertical:02d}",
        "TileID": f"51{name.tile.horizontal:03d}{name.tile.vertical:03d}",
        "PROCESSVERSION": "simulated",
    }


def _quality(number: int, parameter: str) -> str:
    entries: dict[str, str | int] = {
        "PARAMETERNAME": parameter,
        "AUTOMATICQUALITYFLAG": "Passed",
        "AUTOMATICQUALITYFLAGEXPLANATION": "A simulated granule; nothing was assessed.",
        "SCIENCEQUALITYFLAG": "Not Investigated",
        "QAPERCENTMISSINGDATA": 0,
        "QAPERCENTOUTOFBOUNDSDATA": 0,
        "QAPERCENTCLOUDCOVER": 30,
        "QAPERCENTINTERPOLATEDDATA": 0,
    }
    return _container("MEASUREDPARAMETERCONTAINER", number, entries)


def _master(name: str, groups: Mapping[str, str]) -> str:
    inner = "".join(
        f"{_line(1, 'GROUP', key)}\n{text}{_line(1, 'END_GROUP', key)}\n" for key, text in groups.items()
    )
    head = f"\n{_line(0, 'GROUP', name)}{_line(1, 'GROUPTYPE', 'MASTERGROUP')}\n"
    return f"{head}{inner}{_line(0, 'END_GROUP', name)}\nEND\n"


def _container(key: str, number: int, entries: Mapping[str, str | int | Sequence[str]]) -> str:
    head = _line(2, "OBJECT", key) + _line(3, "CLASS", f'"{number}"')
    return f"{head}\n{_objects(3, entries, number)}{_line(2, 'END_OBJECT', key)}\n"


def _objects(depth: int, entries: Mapping[str, str | int | Sequence[str]], number: int | None = None) -> str:
    text = ""
    for key, value in entries.items():
        count = len(value) if isinstance(value, tuple) else 1
        text += _line(depth, "OBJECT", key) + _line(depth + 1, "NUM_VAL", str(count))
        if number is not None:
            text += _line(depth + 1, "CLASS", f'"{number}"')
        text += _line(depth + 1, "VALUE", _value(value)) + _line(depth, "END_OBJECT", key) + "\n"
    return text


def _value(value: str | int | Sequence[str]) -> str:
    """A list is broken wherever a line is full, within quotes, too."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"'
    whole = "(" + ", ".join(f'"{text}"' for text in value) + ")"
    return "\n          ".join(whole[start : start + _WRAP] for start in range(0, len(whole), _WRAP))


def _line(depth: int, key: str, value: str) -> str:
    return f"{'  ' * depth}{key:{_WIDTH}}= {value}\n"
