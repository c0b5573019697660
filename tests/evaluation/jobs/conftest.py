"""A folder of jobs, and a worker that does them with a network that needs no training."""

import pytest

from pneumoseg.data_io.formats.dicom.deidentification.key_file import fresh_key
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.evaluation.jobs.job import JobRequest
from pneumoseg.evaluation.jobs.results import write_classes
from pneumoseg.evaluation.jobs.store import JobStore
from pneumoseg.evaluation.jobs.work import Workplace, do
from tests.evaluation.jobs.masks import truth
from tests.evaluation.jobs.stub_models import by_brightness, open_models
from tests.evaluation.jobs.uploads import nifti_bytes, patient

KEY = fresh_key()
WORKER = "w"


@pytest.fixture
def store(tmp_path):
    with JobStore(tmp_path / "server") as opened:
        yield opened


@pytest.fixture
def done(store, tmp_path):
    """A function that does a job with these uploaded files and gives it as it is afterwards."""

    def send(*contents, request=None, network=by_brightness, key=KEY, before=None):
        with store.arriving() as upload:
            for number, content in enumerate(contents):
                (upload / f"{number}").write_bytes(content)
            job = store.create(request or JobRequest("segmentation"), "name", upload)
        if before is not None:
            before(job)
        claimed = store.claim(WORKER)
        assert claimed.id == job.id
        do(claimed, Workplace(store, WORKER, open_models(tmp_path / "models", network), key))
        left = [path.name for path in store.folder_of(job.id).iterdir()] if store.folder_of(job.id).exists() else []
        assert not [name for name in left if WORKER in name.split("-")]
        return store.get(job.id)

    return send


@pytest.fixture
def parent(tmp_path):
    """The results of a job on `patient` whose mask misses a slice of infection and has some too much."""
    folder = tmp_path / "parent"
    folder.mkdir()
    mask = truth().array.copy()
    mask[:, :, 4][mask[:, :, 4] == 3] = 0
    mask[0, 0, 0] = 3
    mask[3, 6, 3] = 2
    write_label_nifti(folder / "mask.nii.gz", truth().with_array(mask), LUNG_LABELS)
    write_classes(folder / "labels.json", LUNG_LABELS)
    (tmp_path / "ct.nii.gz").write_bytes(nifti_bytes(affine=patient().grid.affine))
    return folder
