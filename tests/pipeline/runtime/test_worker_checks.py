import importlib.metadata
import subprocess
import sys
import threading
import time
from concurrent.futures import wait

import cloudpickle
import pytest

from pneumoseg.pipeline.runtime import worker_checks
from pneumoseg.pipeline.runtime.executors import background_threads
from pneumoseg.pipeline.runtime.worker_checks import (
    ClusterError,
    agreement,
    content_mark,
    differing_files,
    differing_versions,
    do_agreed,
    version_reader,
)

VERSIONS = {"pneumoseg": "0.1.0 (source abc)", "Python": "3.11"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared"


@pytest.fixture
def cts(tmp_path):
    paths = [tmp_path / f"ct_{number}.nii.gz" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 10)
    return paths


def test_versions_are_told_without_the_program():
    sent = cloudpickle.dumps(version_reader()).hex()
    program = (
        "import cloudpickle, sys\n"
        f"found = cloudpickle.loads(bytes.fromhex('{sent}'))()\n"
        "print(found['pneumoseg'], 'pneumoseg' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    here = version_reader()()
    assert done.stdout.split() == [*here["pneumoseg"].split(), "False"]
    assert here["pneumoseg"].startswith("0.1.0 (source ")
    assert here["distributed"] == importlib.metadata.version("distributed")


def test_versions_that_differ_are_named():
    assert differing_versions(VERSIONS, VERSIONS) is None
    other = VERSIONS | {"pneumoseg": "0.0.9 (source abc)"}
    expected = "pneumoseg is 0.0.9 (source abc) there and 0.1.0 (source abc) here"
    assert differing_versions(VERSIONS, other) == expected
    assert differing_versions(VERSIONS, {"pneumoseg": VERSIONS["pneumoseg"]}) == "Python is absent there and 3.11 here"


def test_the_same_files_are_agreed_on(folder, cts):
    agreed = agreement(folder, VERSIONS, cts)
    assert [path for path, _ in agreed.inputs] == [str(path) for path in cts[: worker_checks.COMPARED_INPUTS]]
    assert differing_files(agreed) is None
    assert [path.name for path in folder.iterdir()] == ["probe"]


def test_files_that_differ_are_named(folder, cts):
    agreed = agreement(folder, VERSIONS, cts)
    cts[1].write_bytes(b"other bytes")
    assert differing_files(agreed) == f"{cts[1]} has another content there"
    cts[1].unlink()
    assert differing_files(agreed) == f"{cts[1]} is absent there"
    (folder / "probe").write_text("of another run")
    assert differing_files(agreed) == f"{folder.parent} is another folder there"
    (folder / "probe").unlink()
    assert differing_files(agreed) == f"{folder.parent} cannot be read and written there (No such file or directory)"


def test_a_folder_that_cannot_be_written_is_named(folder, monkeypatch):
    agreed = agreement(folder, VERSIONS, [])

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.write_text", refuse)
    assert differing_files(agreed) == f"{folder.parent} cannot be read and written there (Permission denied)"


def test_marks_tell_files_and_folders_apart(tmp_path):
    (tmp_path / "series").mkdir()
    empty = content_mark(tmp_path / "series")
    (tmp_path / "series" / "a.dcm").write_bytes(b"1")
    assert content_mark(tmp_path / "series") != empty
    (tmp_path / "a").write_bytes(b"x" * (1 << 20))
    (tmp_path / "b").write_bytes(b"x" * ((1 << 20) + 1))
    assert content_mark(tmp_path / "a") != content_mark(tmp_path / "b")
    assert content_mark(tmp_path / "none") == "absent"


def test_work_is_done_after_the_checks_once_in_a_process(folder, cts, monkeypatch):
    agreed = agreement(folder, version_reader()(), cts)
    assert do_agreed(agreed, divmod, 7, 2) == (3, 1)
    monkeypatch.setattr(worker_checks, "differing_files", lambda agreed: "checked again")
    assert do_agreed(agreed, divmod, 7, 2) == (3, 1)
    another = agreement(folder, version_reader()(), cts)
    with pytest.raises(ClusterError, match="a worker that joined late does not fit: checked again"):
        do_agreed(another, divmod, 7, 2)


def test_another_version_does_no_work(folder):
    agreed = agreement(folder, VERSIONS, [])
    with pytest.raises(ClusterError, match=r"pneumoseg is 0\.1\.0 .* there and 0\.1\.0 .source abc. here"):
        do_agreed(agreed, divmod, 7, 2)


def test_a_process_does_one_piece_of_work_at_a_time(folder):
    agreed = agreement(folder, version_reader()(), [])
    under_way, most = [], []

    def piece():
        under_way.append(threading.get_ident())
        most.append(len(under_way))
        time.sleep(0.01)
        under_way.pop()

    with background_threads(4) as threads:
        wait([threads.submit(do_agreed, agreed, piece) for _ in range(8)])
    assert most == [1] * 8
