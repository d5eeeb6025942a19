"""A report that is saved is the report that is loaded, type for type; anything else is refused in a line."""

from __future__ import annotations

import hashlib
import io
import json
import math
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.figure import Figure

from fulmen import Report, UserError

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,12}", fullmatch=True)
ARRAY_TYPES = [
    "bool",
    "int8",
    "uint16",
    "int64",
    "uint64",
    "float16",
    "float32",
    ">f8",
    "complex64",
    "U3",
    "S2",
]
COLUMN_TYPES = [
    "bool",
    "int8",
    "uint8",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
    "str",
    "Int64",
    "boolean",
]


@st.composite
def columns(draw, rows):
    kind = draw(st.sampled_from(COLUMN_TYPES))
    if kind in {"str", "Int64", "boolean"}:
        values = {"str": st.text(), "Int64": st.integers(-(2**63), 2**63 - 1), "boolean": st.booleans()}[kind]
        return pd.Series(draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), dtype=kind)
    return pd.Series(draw(hnp.arrays(kind, rows)))


@st.composite
def tables(draw):
    rows = draw(st.integers(0, 4))
    names = draw(st.lists(st.text(), max_size=4, unique=True))
    return pd.DataFrame({name: draw(columns(rows)) for name in names}, index=range(rows))


reports = st.builds(
    Report,
    title=st.text(),
    scalars=st.dictionaries(st.sampled_from(["a", "a/b", "a/0.01", "<b>", "[red]", "é ü"]), st.floats()),
    tables=st.dictionaries(NAMES, tables(), max_size=2),
    arrays=st.dictionaries(
        NAMES | st.just("file"),
        st.sampled_from(ARRAY_TYPES).flatmap(
            lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, min_side=0))
        ),
        max_size=2,
    ),
    findings=st.lists(st.text(), max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(reports)
def test_a_loaded_report_is_the_saved_one_with_its_types(report):
    with tempfile.TemporaryDirectory() as folder:
        loaded = Report.load(report.save(Path(folder) / "report"))

    assert loaded == report
    assert (loaded.title, loaded.findings) == (report.title, report.findings)
    assert list(loaded.scalars) == list(report.scalars)
    np.testing.assert_array_equal(list(loaded.scalars.values()), list(report.scalars.values()))
    assert loaded.tables.keys() == report.tables.keys()
    for name, table in report.tables.items():  # pandas' own judge, not ours
        check = {"check_exact": True, "check_column_type": bool(len(table.columns))}
        pd.testing.assert_frame_equal(loaded.tables[name], table, check_index_type=False, **check)
    assert loaded.arrays.keys() == report.arrays.keys()
    for name, array in report.arrays.items():
        assert (loaded.arrays[name].dtype, loaded.arrays[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(loaded.arrays[name], array)


def test_categories_dates_and_objects_come_back_as_what_they_hold(tmp_path):
    frame = pd.DataFrame(
        {
            "category": pd.Categorical(["cat", None, "dog"]),
            "levels": pd.Categorical([3, 1, 3]),
            "date": pd.to_datetime(["2024-02-29 12:00", None, "1970-01-01 00:00"]),
            "flags": pd.Series([True, None, False], dtype=object),
            "counts": pd.Series([2**62, 1, 2], dtype=object),
            "nothing": [None, None, None],
        }
    )
    frame.index = ["x", "y", "z"]

    table = Report.load(Report(tables={"t": frame}).save(tmp_path / "report")).tables["t"]

    assert [value if isinstance(value, str) else None for value in table["category"]] == ["cat", None, "dog"]
    assert table["levels"].tolist() == [3, 1, 3]
    assert table["date"][0] == "2024-02-29 12:00:00"
    assert table["date"].isna().tolist() == [False, True, False]
    assert table["flags"].tolist() == [True, pd.NA, False]
    assert table["counts"].tolist() == [2**62, 1, 2]
    assert table["nothing"].isna().all()
    assert table.index.tolist() == [0, 1, 2]


def test_empty_text_and_missing_text_stay_apart(tmp_path):
    frame = pd.DataFrame({"text": ["", None, "NA", "nan", " ", "\r", '"', "a,b\n"]})

    table = Report.load(Report(tables={"t": frame}).save(tmp_path / "report")).tables["t"]

    assert table["text"].isna().tolist() == [False, True, *[False] * 6]
    assert table["text"].dropna().tolist() == frame["text"].dropna().tolist()


def test_another_csv_reader_reads_the_same_table(tmp_path):
    frame = pd.DataFrame({"name": ["a", "b,\nc"], "x": [0.1, math.nan], "n": [1, 2]})
    folder = Report(tables={"t": frame}).save(tmp_path / "report")

    pd.testing.assert_frame_equal(pd.read_csv(folder / "tables" / "t.csv"), frame)
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "tables" / "t.parquet"), frame)
    assert (folder / "tables" / "t.csv").read_text() == 'name,x,n\na,0.1,1\n"b,\nc",,2\n'


def test_the_json_is_standard_json(tmp_path):
    scalars = {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 1}
    provenance = {"bound": math.inf, "path": Path("x"), "list": [math.nan]}
    folder = Report(scalars=scalars).save(tmp_path / "report", provenance)

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    index = json.loads((folder / "report.json").read_text(), parse_constant=refuse)

    assert index["scalars"] == {"a": "nan", "b": "inf", "c": "-inf", "d": 1.0}
    assert index["provenance"] == {"bound": "inf", "path": "x", "list": ["nan"]}


def complete_report(value: float = 1.0) -> Report:
    figure = Figure()
    figure.subplots().plot([1, 2, value], label="line")
    return Report(
        title="A title",
        scalars={"a/b": value},
        tables={"table": pd.DataFrame({"x": [1.5, value], "text": ["a", None]})},
        figures={"curve": figure},
        arrays={"array": np.full((3, 2), value)},
        findings=[f"It is {value}."],
    )


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_report_is_the_same_bytes_in_another_process(tmp_path):
    here = digests(complete_report().save(tmp_path / "here"))
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['complete_report']().save(sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, __file__, str(tmp_path / "there")], check=True)

    assert len(here) == 7
    assert digests(tmp_path / "there") == here
    assert digests(complete_report(2.0).save(tmp_path / "other"))["report.json"] != here["report.json"]


def test_a_report_is_found_by_run_folder_report_folder_and_file(tmp_path):
    report = complete_report()
    folder = report.save(tmp_path / "run" / "report")

    for path in (tmp_path / "run", folder, folder / "report.json", str(folder)):
        loaded = Report.load(path)
        assert loaded == report
        assert loaded.figures == {}


def test_reports_differ_by_any_part_but_figures():
    report, same = complete_report(), complete_report()
    same.figures.clear()
    assert report == same

    for change in (
        {"title": "x"},
        {"findings": []},
        {"scalars": {"a/b": 2}},
        {"tables": {}},
        {"tables": {"table": pd.DataFrame({"x": [1, 1], "text": ["a", None]})}},  # integers, not floats
        {"arrays": {"array": np.ones((3, 2), np.float32)}},
    ):
        assert report != Report(**{**vars(report), **change})


def test_saving_again_replaces_the_whole_report(tmp_path):
    complete_report().save(tmp_path / "report")
    Report(title="Smaller").save(tmp_path / "report")

    assert Report.load(tmp_path) == Report(title="Smaller")
    assert digests(tmp_path).keys() == {"report/report.json", "report/report.html"}


def table_of(values):
    return {"tables": {"t": pd.DataFrame({"x": values})}}


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"tables": {"../x": pd.DataFrame()}}, "'../x'"),
        ({"figures": {"a/b": Figure()}}, "'a/b'"),
        ({"arrays": {"": np.zeros(1)}}, "''"),
        ({"arrays": {".hidden": np.zeros(1)}}, "'.hidden'"),
        ({"arrays": {"a\n": np.zeros(1)}}, "'a\\n'"),
        ({"arrays": {3: np.zeros(1)}}, "3"),
        ({"arrays": {"a" * 101: np.zeros(1)}}, "aaa"),
        ({"scalars": {"": 1.0}}, "''"),
        ({"scalars": {"a\x1b[2J": 1.0}}, "x1b"),
        ({"scalars": {"a": "1.0"}}, "'a'"),
        ({"scalars": {"a": None}}, "'a'"),
        ({"scalars": {"a": 10**400}}, "'a'"),
        ({"arrays": {"a": np.array([{}])}}, "'a'"),
        ({"arrays": {"a": [[1], [2, 3]]}}, "'a'"),
        ({"tables": {"t": pd.DataFrame([[1, 2]], columns=["x", "x"])}}, "'x'"),
        (table_of([[1], [2]]), "'x'"),
        (table_of([1, "a"]), "'x'"),
        (table_of([2**70]), "'x'"),
        (table_of([1j]), "'x'"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_the_old_report_stays(tmp_path, parts, named):
    complete_report().save(tmp_path / "report")

    with pytest.raises(UserError) as refusal:
        Report(**parts).save(tmp_path / "report")

    assert named in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert Report.load(tmp_path) == complete_report()
    assert not (tmp_path / "x.csv").exists()


def test_a_folder_with_other_files_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("a file")

    with pytest.raises(UserError, match=r"thesis\.tex|file"):
        complete_report().save(tmp_path)
    with pytest.raises(UserError, match="is a file"):
        complete_report().save(tmp_path / "file")

    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_link_to_a_folder_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "report").symlink_to(tmp_path / "disk")

    complete_report().save(tmp_path / "report")

    assert (tmp_path / "report").is_symlink()
    assert Report.load(tmp_path / "disk") == complete_report()


def edit_index(folder, **changes):
    path = folder / "report.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


DAMAGE = {
    "no report": (lambda folder: shutil.rmtree(folder), "no such folder"),
    "no index": (lambda folder: (folder / "report.json").unlink(), "no report.json"),
    "truncated index": (lambda folder: truncate(folder / "report.json"), "report.json: damaged"),
    "empty index": (lambda folder: (folder / "report.json").write_text(""), "report.json: damaged"),
    "a list": (lambda folder: (folder / "report.json").write_text("[1]"), "schema_version"),
    "deep": (lambda folder: (folder / "report.json").write_text("[" * 100_000), "report.json: damaged"),
    "no text": (lambda folder: (folder / "report.json").write_bytes(b"\xff\xfe"), "report.json: damaged"),
    "newer": (lambda folder: edit_index(folder, schema_version=99), "newer fulmen (schema 99"),
    "a key gone": (lambda folder: (folder / "report.json").write_text('{"schema_version": 1}'), "'title'"),
    "bad scalar": (lambda folder: edit_index(folder, scalars={"a": "x"}), "report.json: damaged"),
    "bad finding": (lambda folder: edit_index(folder, findings=[{}]), "findings must be text"),
    "traversal": (
        lambda folder: edit_index(folder, tables={"../../t": {"rows": 0, "columns": []}}),
        "'../../t'",
    ),
    "no table": (lambda folder: (folder / "tables" / "table.csv").unlink(), "table.csv: missing"),
    "cut table": (
        lambda folder: (folder / "tables" / "table.csv").write_text("x,text\n1,a\n"),
        "1 rows of 2",
    ),
    "wrong table": (
        lambda folder: (folder / "tables" / "table.csv").write_text("x,text\na,1\nb,2\n"),
        "table.csv",
    ),
    "unknown type": (
        lambda folder: edit_index(
            folder, tables={"table": {"rows": 2, "columns": [{"name": "x", "dtype": "object"}] * 2}}
        ),
        "unknown type 'object'",
    ),
    "no arrays": (lambda folder: (folder / "arrays.npz").unlink(), "arrays.npz: missing"),
    "cut arrays": (lambda folder: truncate(folder / "arrays.npz"), "arrays.npz: damaged"),
    "pickled array": (
        lambda folder: np.savez(folder / "arrays.npz", array=np.array([print], dtype=object)),
        "allow_pickle=False",
    ),
    "other array": (lambda folder: np.savez(folder / "arrays.npz", array=np.zeros(2)), "type and shape"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_report_is_refused_in_one_line(tmp_path, damage):
    folder = complete_report().save(tmp_path / "report")
    break_it, named = DAMAGE[damage]
    break_it(folder)

    with pytest.raises(UserError) as refusal:
        Report.load(folder)

    assert named in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_array_that_claims_to_be_huge_is_refused_not_allocated(tmp_path):
    folder = complete_report().save(tmp_path / "report")
    shape = (10**15,)
    header = io.BytesIO()
    np.lib.format.write_array_header_2_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(folder / "arrays.npz", "w") as archive:
        archive.writestr("array.npy", header.getvalue())
    edit_index(folder, arrays={"array": {"dtype": "float64", "shape": list(shape)}})

    with pytest.raises(UserError, match=r"arrays\.npz: damaged"):
        Report.load(folder)


def test_importing_report_imports_nothing_heavy():
    code = (
        "import sys, fulmen, fulmen.reports, fulmen.reports.delivery; fulmen.Report(title='x').checked;"
        "print(sorted({'matplotlib', 'numpy', 'pandas', 'torch', 'rich', 'jinja2'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert output.strip() == "[]"


def test_a_printed_report_says_what_was_found_and_not_every_number():
    report = Report("Title", {"a": 1.0}, {"t": pd.DataFrame({"x": range(999)})}, arrays={"z": np.arange(9e3)})
    report.findings.append("Something.")

    assert repr(report).splitlines() == [
        "Report: Title",
        "- Something.",
        "scalars: a",
        "tables: t",
        "arrays: z",
    ]
