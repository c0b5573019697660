"""Training batches of MIScnn 1.4.0, per second of one processor core; runs in MIScnn's own environment.

Usage: python miscnn_batches.py DATA SEED BATCHES BATCHES_ALL_FIRING, where each folder DATA/CASE holds imaging.nii.gz
and segmentation.nii.gz. Prints JSON: patches per CPU second with the probabilities of covid19.MIScnn, and with every
transform firing. Volumes are preprocessed beforehand (prepare_subfunctions), which is not measured.
"""

import json
import sys
import tempfile
import time

import numpy as np
from miscnn import Data_IO
from miscnn.data_loading.interfaces import NIFTI_interface
from miscnn.neural_network.data_generator import DataGenerator
from miscnn_setup import BATCH, PATCH, make_augmentation, make_preprocessor

PROBABILITY = 0.15


def main(data: str, seed: str, batches: str, batches_all_firing: str) -> None:
    """Makes batches as covid19.MIScnn is configured."""
    np.random.seed(int(seed))  # noqa: NPY002
    augmentation = make_augmentation()
    with tempfile.TemporaryDirectory() as folder:
        files = Data_IO(NIFTI_interface(channels=1, classes=4), data, batch_path=folder, delete_batchDir=False)
        preprocessor = make_preprocessor(files, BATCH, augmentation)
        generator = DataGenerator(sorted(files.get_indiceslist()), preprocessor, training=True)
        figures = {}
        for name, probability, count in (
            ("patches_per_second_per_core", PROBABILITY, int(batches)),
            ("patches_per_second_per_core_all_firing", 1.0, int(batches_all_firing)),
        ):
            augmentation.config_p_per_sample = probability
            generator[0]
            started = time.process_time()
            for index in range(count):
                images, _ = generator[index]
                if images.shape != (BATCH, *PATCH, 1):
                    raise SystemExit(f"a batch has the shape {images.shape}")
            figures[name] = BATCH * count / (time.process_time() - started)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:5])
