"""Times the training steps of MIScnn 1.4.0; runs in MIScnn's own environment.

Usage: python miscnn_train.py DATA STEPS OUTPUT.json, where each folder DATA/CASE holds imaging.nii.gz and
segmentation.nii.gz. Writes seconds a patch: of a step on one batch again and again, and of data and step together.
Volumes are preprocessed beforehand (prepare_subfunctions), which is not measured.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from miscnn import Data_IO, Neural_Network
from miscnn.data_loading.interfaces import NIFTI_interface
from miscnn.neural_network.architecture.unet.standard import Architecture
from miscnn.neural_network.data_generator import DataGenerator
from miscnn.neural_network.metrics import dice_crossentropy, dice_soft, tversky_crossentropy, tversky_loss
from miscnn_setup import BATCH, make_augmentation, make_preprocessor
from tensorflow.keras.callbacks import Callback


class Clock(Callback):
    """Notes when each step ends."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        """One more."""
        self.ends.append(time.perf_counter())


def main(data: str, steps: int, output: str) -> None:
    """Trains as covid19.MIScnn is configured."""
    with tempfile.TemporaryDirectory() as folder:
        files = Data_IO(NIFTI_interface(channels=1, classes=4), data, batch_path=folder, delete_batchDir=False)
        preprocessor = make_preprocessor(files, BATCH, make_augmentation())
        network = Neural_Network(
            preprocessor=preprocessor,
            architecture=Architecture(),
            loss=tversky_crossentropy,
            metrics=[tversky_loss, dice_soft, dice_crossentropy],
            learning_rate=0.001,
        )
        cases = sorted(files.get_indiceslist())
        images, labels = DataGenerator(cases, preprocessor, training=True)[0][:2]
        network.model.train_on_batch(images, labels)
        alone = []
        for _ in range(steps):
            started = time.perf_counter()
            network.model.train_on_batch(images, labels)
            alone.append(time.perf_counter() - started)
        clock = Clock()
        network.train(cases, epochs=1, iterations=steps + 1, callbacks=[clock])
        whole = (clock.ends[-1] - clock.ends[0]) / steps
    figures = {
        "step_seconds_per_patch": statistics.median(alone) / BATCH,
        "end_to_end_seconds_per_patch": whole / BATCH,
    }
    Path(output).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
