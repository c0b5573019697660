"""The true mask of the CT of `uploads`, and files of it."""

import numpy as np

from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from tests.evaluation.jobs.uploads import patient

CLASSES = {-900: 1, -800: 2, -400: 3}


def truth() -> Volume:
    image = patient()
    labels = np.zeros(image.array.shape, np.uint8)
    for hu, number in CLASSES.items():
        labels[image.array == hu] = number
    return image.with_array(labels)


def reference_bytes(tmp_path, volume=None, write=write_label_nifti, name="r.nii.gz") -> bytes:
    write(tmp_path / name, volume or truth(), LUNG_LABELS)
    return (tmp_path / name).read_bytes()
