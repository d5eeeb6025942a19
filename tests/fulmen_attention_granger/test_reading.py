"""What is in a file arrives as it is; what cannot be used is one line: what, where, how to mend it."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fulmen.errors import DataError
from fulmen_attention_granger import Recordings, TimeSeries
from fulmen_attention_granger.reading.files import read_files
from fulmen_attention_granger.reading.writing import write_npz
from fulmen_attention_granger.recordings import RecordingError

X = np.random.default_rng(0).standard_normal((60, 3))
NAMES = ["left", "right", "heart rate"]
GRAPH = np.array([[0, 1, 0], [0, 0, 0], [1, 1, 0]])


def csv_text(rows=X, header=NAMES, separator=",") -> str:
    lines = [separator.join(header), *(separator.join(f"{v!r}" for v in row.tolist()) for row in rows)]
    return "\n".join(lines) + "\n"


def write_csv(path: Path, **changes) -> Path:
    path.write_text(csv_text(**changes))
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_csv_keeps_names_and_every_bit_of_its_numbers(tmp_path, separator):
    read = read_files([write_csv(tmp_path / "a.csv", separator=separator)])

    assert read.names == tuple(NAMES)
    assert np.array_equal(read.trials[0], X)
    assert (read.graph, read.interval) == (None, 1.0)


def test_empty_cells_are_missing_values(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n,3\nNaN,5\n4,\n2,7\n")
    read = read_files([path])

    assert np.array_equal(
        read.trials[0], [[1, 2], [np.nan, 3], [np.nan, 5], [4, np.nan], [2, 7]], equal_nan=True
    )
    assert read.missing == pytest.approx(0.3)


def test_a_column_of_times_gives_the_interval_and_is_no_variable(tmp_path):
    times = 5 + 0.25 * np.arange(len(X))[:, None]
    path = write_csv(
        tmp_path / "a.csv", rows=np.hstack([X[:, :1], times, X[:, 1:]]), header=["a", "time", "b", "c"]
    )
    read = read_files([path])
    renamed = read_files(
        [write_csv(tmp_path / "b.csv", rows=np.hstack([times, X]), header=["ms", *NAMES])], time_column="ms"
    )

    assert (read.names, read.interval) == (("a", "b", "c"), 0.25)
    assert np.array_equal(read.trials[0], X)
    assert (renamed.names, renamed.interval) == (tuple(NAMES), 0.25)


def test_a_column_of_dates_gives_the_interval_in_seconds(tmp_path):
    stamps = np.datetime64("2024-01-01T00:00:00", "ms") + np.arange(len(X)) * np.timedelta64(500, "ms")
    lines = [",".join([str(stamp), *map(str, row)]) for stamp, row in zip(stamps, X, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join([",".join(["time", *NAMES]), *lines]))

    assert read_files([tmp_path / "a.csv"]).interval == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("dates", "interval"),
    [
        (np.arange("2001-01", "2006-01", dtype="datetime64[M]").astype("datetime64[D]"), 1.0),
        (np.arange("2001-01", "2016-01", 3, dtype="datetime64[M]").astype("datetime64[D]") + 9, 1.0),
        (
            np.arange("2001-02", "2006-02", dtype="datetime64[M]").astype("datetime64[D]") - 1,
            1.0,
        ),  # last days
        (np.busday_offset("2024-02-09", np.arange(len(X))), 1.0),  # Monday to Friday
        (np.arange("1501-01-01", "1501-03-02", dtype="datetime64[D]"), 86400.0),
        (np.arange("2024-01-01", "2025-02-24", 7, dtype="datetime64[D]"), 7 * 86400.0),  # Mondays
    ],
)
def test_months_are_equal_steps_and_days_are_seconds(tmp_path, dates, interval):
    lines = [",".join([str(date), *map(str, row)]) for date, row in zip(dates, X, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join([",".join(["time", *NAMES]), *lines]))

    assert read_files([tmp_path / "a.csv"]).interval == interval


@pytest.mark.parametrize("kind", ["text", "date"])
def test_parquet_may_hold_dates_as_text_or_days(tmp_path, kind):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    days = np.arange("2001-01-01", "2001-03-02", dtype="datetime64[D]")
    times = pa.array(days.astype(str).tolist(), pa.large_string()) if kind == "text" else pa.array(days)
    parquet.write_table(pa.table({"time": times, "a": X[:, 0], "b": X[:, 1]}), tmp_path / "a.parquet")

    assert read_files([tmp_path / "a.parquet"]).interval == 86400.0


def test_parquet_is_read_with_nulls_and_timestamps(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    stamps = np.datetime64("2024-01-01T00:00:00", "us") + np.arange(60) * np.timedelta64(500, "ms")
    table = pa.table(
        {
            "time": stamps,
            "a": pa.array([None, *X[1:, 0].tolist()]),
            "n": pa.array(range(0, 180, 3))
            .cast(pa.int32())
            .take(pa.array(np.random.default_rng(0).permutation(60))),
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    read = read_files([tmp_path / "a.parquet"])

    assert read.names == ("a", "n")
    assert read.interval == pytest.approx(0.5)
    assert np.isnan(read.trials[0][0, 0])
    assert np.array_equal(read.trials[0][1:, 0], X[1:, 0])


def test_what_is_written_is_what_is_read(tmp_path):
    made = Recordings(
        (X, X[::-1].copy()),
        tuple(NAMES),
        GRAPH.astype(bool),
        0.5,
        "made",
        {"confounded": GRAPH.astype(bool), "signs": GRAPH * -1.0},
    )
    with (tmp_path / "a.npz").open("wb") as file:
        write_npz(file, made)
    read = read_files([tmp_path / "a.npz"])

    assert all(np.array_equal(a, b) for a, b in zip(made.trials, read.trials, strict=True))
    assert (read.names, read.interval) == (made.names, made.interval)
    assert np.array_equal(read.graph, made.graph)
    assert {name: truth.tolist() for name, truth in read.truths.items()} == {
        name: truth.tolist() for name, truth in made.truths.items()
    }


def test_npz_and_npy_without_names_number_their_variables(tmp_path):
    np.savez(tmp_path / "a.npz", x=X[None], graph=GRAPH + 1.0 * np.eye(3), unknown=np.ones(2))
    np.save(tmp_path / "a.npy", X)
    npz, npy = read_files([tmp_path / "a.npz"]), read_files([tmp_path / "a.npy"])

    assert npz.names == npy.names == ("x0", "x1", "x2")
    assert np.array_equal(npz.graph, GRAPH.astype(bool))  # the diagonal is ignored
    assert np.array_equal(npy.trials[0], X)


def test_several_files_are_trials_of_any_length(tmp_path):
    paths = [write_csv(tmp_path / f"{n}.csv", rows=X[:n]) for n in (20, 60)]
    read = read_files(paths)

    assert [len(trial) for trial in read.trials] == [20, 60]
    assert "20.csv and 1 more" in read.source


def test_trials_of_different_lengths_do_not_fit_into_an_npz():
    with pytest.raises(RecordingError, match="trials of 20 to 60 rows do not fit into one array"):
        write_npz(io.BytesIO(), Recordings((X, X[:20]), tuple(NAMES)))


def npz(**arrays):
    return lambda f: np.savez(f / "a.npz", **arrays)


def text(content, name="a.csv"):
    return lambda f: (f / name).write_text(content)


def raw(content, name):
    return lambda f: (f / name).write_bytes(content)


def table(rows, header):
    return lambda f: write_csv(f / "a.csv", rows=rows, header=header)


def changed(at, value):
    x = X.copy()
    x[at] = value
    return x


def lying_npy(shape) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + bytes(64)


def pickled_npz(f):
    with zipfile.ZipFile(f / "a.npz", "w") as archive:
        buffer = io.BytesIO()
        np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
        archive.writestr("x.npy", buffer.getvalue())


COUNT = np.arange(60.0)[:, None]
UNEVEN = np.cumsum(np.where(np.arange(60) == 30, 2.0, 1.0))[:, None]
BAD = {
    "no file": (lambda f: None, "a.csv: does not exist; expected a file that ends in one of .csv"),
    "a folder": (lambda f: (f / "a.csv").mkdir(), "a.csv: is a folder; expected a file"),
    "an unknown ending": (text("x", "a.xlsx"), "ends in .xlsx; expected one of .csv"),
    "empty csv": (text(""), "a.csv: has 0 lines; expected a header of names and a row for each"),
    "a header alone": (text("a,b\n"), "has 1 lines; expected a header"),
    "no header": (text("1,2\n3,4\n"), "the first line holds numbers alone (1, ...); expected the names"),
    "a column without name": (text(",b\n1,2\n"), "column 1 has no name"),
    "text among numbers": (
        text("a,b\n1,2\n3,high\n"),
        "row 2, column 'b': 'high' is no number; expected one",
    ),
    "a decimal comma": (text('a,b\n1,"2,5"\n3,4\n'), "row 1, column 'b': '2,5' is no number"),
    "a short row": (text("a,b\n1,2\n3\n"), "row 2 has 1 cells, the header 2; expected as many"),
    "bytes that are no text": (raw(b"a,b\n\xff\xfe,1\n", "a.csv"), "a.csv: is not a text table ("),
    "names repeated": (table(X, ["a", "b", "a"]), "2 columns are called 'a'; expected names that differ"),
    "one variable": (table(X[:, :1], ["a"]), "has 1 variable; expected 2 or more"),
    "time and one variable": (table(np.hstack([COUNT, X[:, :1]]), ["time", "a"]), "has 1 variable"),
    "a constant column": (table(changed((slice(None), 1), 4.0), NAMES), "'right' is 4 at every step"),
    "a repeated column": (table(X[:, [0, 1, 1]], NAMES), "'heart rate' repeats 'right' at every step"),
    "a repeat in another unit": (
        table(np.column_stack([X[:, 0], X[:, 1], 1000 * X[:, 0] + 5]), NAMES),
        "'heart rate' repeats 'left'",
    ),
    "an infinity": (table(changed((7, 2), np.inf), NAMES), "row 8 of 'heart rate' is +inf (1 such values)"),
    "a column that is never seen": (
        table(changed((slice(None), 0), np.nan), NAMES),
        "'left' has no value at all",
    ),
    "a row counter": (
        table(np.hstack([COUNT, X]), ["n", *NAMES]),
        "'n' changes by 1 at every step, as a time",
    ),
    "a falling counter": (table(np.hstack([-COUNT, X]), ["n", *NAMES]), "'n' changes by -1 at every step"),
    "a copy with a gap": (
        table(np.hstack([X, changed((7, 0), np.nan)[:, :1]]), [*NAMES, "m"]),
        "'m' repeats",
    ),
    "a mirrored copy": (table(np.hstack([X, 1 - 2 * X[:, :1]]), [*NAMES, "m"]), "'m' repeats"),
    "a range beyond squares": (table(np.hstack([X, 1e300 * X[:, :1] ** 3]), [*NAMES, "m"]), "another unit"),
    "denormal numbers": (table(np.hstack([X, 1e-310 * X[:, :1] ** 3]), [*NAMES, "m"]), "another unit"),
    "two rows": (table(X[:2], NAMES), "the longest trial has 2 rows; expected 3 or more"),
    "unequal steps": (
        table(np.hstack([UNEVEN, X]), ["time", *NAMES]),
        "column 'time': the time goes from 30 to 32 after row 30, the usual step is 1; expected equal steps",
    ),
    "time that runs backwards": (
        table(np.hstack([-COUNT, X]), ["time", *NAMES]),
        "expected equal steps upwards",
    ),
    "a missing time": (
        table(np.hstack([changed((5, 0), np.nan)[:, :1], X]), ["time", *NAMES]),
        "row 6 has no time",
    ),
    "a time column that is not there": (
        table(X, NAMES),
        "time_column is 'when', the columns are left, right, heart rate; expected one of them",
        {"time_column": "when"},
    ),
    "dates in another column": (
        raw(b"Date,a,b\n2001-01-01,1,2\n2001-01-02,3,1\n2001-01-03,1,1\n", "a.csv"),
        "'2001-01-01' is a date, expected a number: if the column holds the time, say time_column: Date",
    ),
    "dates that skip a month": (
        raw(b"time,a\n2001-01-31,1\n2001-02-28,3\n2001-03-31,2\n2001-05-31,4\n", "a.csv"),
        "the time goes from 2001-03-31 to 2001-05-31 after row 3, the usual step is 1 months; expected equal",
    ),
    "business days and a holiday": (
        raw(b"time,a\n2024-05-23,1\n2024-05-24,3\n2024-05-28,2\n2024-05-29,1\n2024-05-30,4\n", "a.csv"),
        "from 2024-05-24 to 2024-05-28 after row 2, the usual step is 1 business days; expected equal steps "
        "upwards: resample, and leave lost rows empty; or take the column out, if each row is a step",
    ),
    "a number among dates": (
        raw(b"time,a,b\n2001-01-01,1,2\n2001-02-01,3,1\n3,1,1\n", "a.csv"),
        "column 'time': row 3 holds the number 3, others hold dates",
    ),
    "an npz without x": (npz(y=X), "a.npz: has no x (it holds y); expected x of shape (time, variables)"),
    "an npz with pickles": (pickled_npz, "x: holds Python objects, which would have to be unpickled"),
    "a flat x": (npz(x=X[:, 0]), "x: has shape (60,); expected (time, variables)"),
    "an empty x": (npz(x=np.empty((0, 3))), "x: has shape (0, 3); expected"),
    "complex numbers": (npz(x=X * 1j), "x: holds complex128; expected real numbers"),
    "a truth of another shape": (
        npz(x=X, graph=np.eye(4)),
        "graph has shape (4, 4), x has 3 variables; expected (3, 3)",
    ),
    "a truth of other numbers": (npz(x=X, graph=GRAPH * 0.5), "graph holds 0.5; expected 0 and 1 alone"),
    "a truth that is text": (npz(x=X, graph=GRAPH.astype(str)), "graph holds <U"),
    "too few names": (npz(x=X, names=np.array(["a", "b"])), "names has shape (2,) and holds <U1; x has 3"),
    "names repeated in an npz": (npz(x=X, names=np.array(["a", "b", "b"])), "2 variables are called 'b'"),
    "an interval of 0": (npz(x=X, interval=0.0), "interval is 0.0; expected one number above 0"),
    "a text as npz": (raw(b"hello", "a.npz"), "a.npz: is not a whole .npz file"),
    "a truncated npz": (
        lambda f: [np.savez(f / "b.npz", x=X), (f / "a.npz").write_bytes((f / "b.npz").read_bytes()[:900])],
        "a.npz: is not a whole .npz file",
    ),
    "a text as npy": (raw(b"hello", "a.npy"), "a.npy: is not a whole .npy file"),
    "an npy of pickles": (raw(b"\x93NUMPY\x01\x00" + pickle.dumps(1), "a.npy"), "a.npy: is not a whole .npy"),
    "an npy that promises too much": (
        raw(lying_npy((10**9, 10**3)), "a.npy"),
        "the header promises 8,000,000,000,000 bytes for (1000000000, 1000) float64",
    ),
    "a text as parquet": (raw(b"hello", "a.parquet"), "a.parquet: is not a whole Parquet file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_status_2(tmp_path, case):
    make, told, *options = BAD[case]
    make(tmp_path)
    paths = sorted(tmp_path.glob("a.*")) or [tmp_path / "a.csv"]

    with pytest.raises(DataError) as caught:
        TimeSeries(str(paths[0]), **dict(*options)).recordings()

    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2


def test_there_are_more_than_twenty_rows_of_bad_input():
    assert len(BAD) >= 20


def test_columns_of_text_in_parquet_are_refused(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table({"a": [1.0, 2.0], "b": ["x", "y"]}), tmp_path / "a.parquet")

    with pytest.raises(RecordingError, match=r"a.parquet: column 'b': holds string; expected numbers"):
        read_files([tmp_path / "a.parquet"])


OTHERS = {
    "other names": ({"header": ["left", "wrong", "heart rate"]}, "b.csv: has 'wrong' for 'right'"),
    "fewer variables": ({"rows": X[:, :2], "header": NAMES[:2]}, "b.csv: has 2 variables"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_files_of_other_variables_are_no_trials_of_the_first(tmp_path, case):
    changes, told = OTHERS[case]
    paths = [write_csv(tmp_path / "a.csv"), write_csv(tmp_path / "b.csv", **changes)]

    with pytest.raises(RecordingError, match="expected the same names in the same order") as caught:
        read_files(paths)
    assert told in str(caught.value)


def test_files_of_another_interval_or_truth_are_refused(tmp_path):
    for name, interval, graph in (("a", 1.0, GRAPH), ("b", 2.0, GRAPH), ("c", 1.0, GRAPH.T)):
        np.savez(tmp_path / f"{name}.npz", x=X, interval=interval, graph=graph)

    with pytest.raises(RecordingError, match=r"b.npz: its steps are 2, those of .*a.npz 1; expected one"):
        read_files([tmp_path / "a.npz", tmp_path / "b.npz"])
    with pytest.raises(RecordingError, match=r"c.npz: its graph is not that of .*a.npz"):
        read_files([tmp_path / "a.npz", tmp_path / "c.npz"])


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", "a.csv")

    path = write_csv(tmp_path / "a.csv")
    monkeypatch.setattr(Path, "open", refuse)

    with pytest.raises(DataError, match=r"a.csv: cannot be read \(Permission denied\)"):
        TimeSeries(str(path)).recordings()


def test_choosing_variables_shrinks_the_truths_with_them():
    made = Recordings((X,), tuple(NAMES), GRAPH.astype(bool), truths={"confounded": GRAPH.astype(bool)})
    chosen = made.choose([2, 0])

    assert chosen.names == ("heart rate", "left")
    assert np.array_equal(chosen.trials[0], X[:, [2, 0]])
    assert chosen.graph.tolist() == chosen.truths["confounded"].tolist() == [[False, True], [False, False]]
