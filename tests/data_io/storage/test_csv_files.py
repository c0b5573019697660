"""CSV files: every name comes back as it was, spreadsheets compute none, numbers stay numbers."""

import csv
import re

import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import read_cells, read_table, write_table

NAMES = [
    *("007", "NA", "nan", "", "True", "1e5", " a ", "a,b", 'say "a"', "two\nlines", "return\rhere", "a;b", "ä±–"),
    *("=1+1", "-5", "+x", "@x", "\tx", "\rx", "'=x", "''=x", "'x", "'", "''", "=", "x=1", " =1"),
    *("caf\udce9", "=caf\udce9", "\ufeffx", "#x"),
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_comes_back(tmp_path, name):
    table = pd.DataFrame({"case": [name, "other"], "class": ["lungs", name], "dice": [0.5, np.nan]})
    write_table(table, tmp_path / "t.csv")
    back = read_table(tmp_path / "t.csv")
    assert back["case"].tolist() == [name, "other"]
    assert back["class"].tolist() == ["lungs", name]
    assert back["dice"].tolist()[0] == 0.5
    assert np.isnan(back["dice"][1])


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_column_comes_back(tmp_path, name):
    write_table(pd.DataFrame([[1, 2]], columns=["reference", name]), tmp_path / "t.csv")
    assert read_cells(tmp_path / "t.csv") == [["reference", name], ["1", "2"]]


def test_a_table_of_one_column_comes_back(tmp_path):
    write_table(pd.DataFrame({"case": NAMES}), tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv")["case"].tolist() == NAMES


def test_no_cell_of_text_begins_a_formula_and_numbers_are_as_they_were(tmp_path):
    table = pd.DataFrame({"case": NAMES, "hu": np.linspace(-850.0, 1.0, len(NAMES)), "count": -3})
    write_table(table, tmp_path / "t.csv")
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:  # as another program reads it
        rows = list(csv.reader(file))[1:]
    assert not [case for case, _, _ in rows if re.match(r"[=+\-@\t\r]", case)]
    assert [float(hu) for _, hu, _ in rows] == pytest.approx(table["hu"].tolist(), rel=1e-5)
    assert {count for _, _, count in rows} == {"-3"}


def test_pandas_alone_reads_the_file_with_one_apostrophe_more(tmp_path):
    write_table(pd.DataFrame({"case": ["=1+1", "'=x", "a"], "dice": [-1.5, 0.25, 1.0]}), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_bytes() == b"case,dice\n'=1+1,-1.5\n''=x,0.25\na,1\n"
    back = pd.read_csv(tmp_path / "t.csv")
    assert back["case"].tolist() == ["'=1+1", "''=x", "a"]
    assert back["dice"].tolist() == [-1.5, 0.25, 1.0]


def test_digits_are_significant_or_all_that_count(tmp_path):
    table = pd.DataFrame({"ml": [1234.5678, np.float32(0.1), np.inf], "n": [12345678, 1, 2]})
    write_table(table, tmp_path / "six.csv")
    assert (tmp_path / "six.csv").read_text() == "ml,n\n1234.57,12345678\n0.1,1\ninf,2\n"
    write_table(table.iloc[:1], tmp_path / "all.csv", digits=None)
    assert (tmp_path / "all.csv").read_text() == "ml,n\n1234.5678,12345678\n"


def test_only_columns_of_numbers_become_numbers(tmp_path):
    (tmp_path / "t.csv").write_text(
        "\ufeffcase,dice,fold,remarks,flag\n1,0.5,0,,True\n2,,all,,False\n", encoding="utf-8"
    )
    table = read_table(tmp_path / "t.csv")
    assert table["case"].tolist() == ["1", "2"]
    assert table["dice"].dtype == float
    assert table["fold"].tolist() == ["0", "all"]
    assert table["flag"].tolist() == ["True", "False"]


def test_text_that_is_not_utf_8_stays_text_in_any_column(tmp_path):
    write_table(pd.DataFrame({"remarks": ["caf\udce9", "1"]}), tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv")["remarks"].tolist() == ["caf\udce9", "1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not readable as CSV"),
        (b"\n\n", "not readable as CSV"),
        (b"a,b\n1\n", "row 2 has 1 cells"),
        (b"a,b\n1,2,3\n", "row 2 has 3 cells"),
        (b"\xff\xfe\x00broken", "not readable as CSV"),
        (b'a\n"open', "not readable as CSV"),
        (b"a,a\n1,2\n", "found a more than once"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=rf"t\.csv: .*{message}"):
        read_table(tmp_path / "t.csv")


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "t.csv")


def test_nothing_is_left_where_writing_fails(tmp_path):
    class Broken:
        def __str__(self):
            raise RuntimeError("no text")

    with pytest.raises(RuntimeError, match="no text"):
        write_table(pd.DataFrame({"a": [Broken()]}), tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []
