"""Runs MIScnn 1.4.0 on one job: a script for MIScnn's own environment, which knows nothing of this project.

Usage: python worker.py JOB.json, with "task" train or predict, "cases", "configuration" (see configuration.py) and the
paths "data" (CASE/imaging.nii.gz and, to train, CASE/segmentation.nii.gz), "weights" and "work". It trains to "weights"
and "work"/history.csv, or predicts to "work"/predictions/CASE.nii.gz.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

import tensorflow as tf
from miscnn import Data_Augmentation, Data_IO, Neural_Network, Preprocessor
from miscnn.data_loading.interfaces import NIFTI_interface
from miscnn.neural_network.architecture.unet.standard import Architecture
from miscnn.neural_network.metrics import dice_crossentropy, dice_soft, tversky_crossentropy, tversky_loss
from miscnn.processing.subfunctions import Clipping, Normalization, Resampling
from tensorflow.keras import callbacks

LOSSES = {"tversky": tversky_loss, "tversky-crossentropy": tversky_crossentropy}
METRICS = {"tversky": tversky_loss, "soft-dice": dice_soft, "dice-crossentropy": dice_crossentropy}


class Progress(callbacks.Callback):
    """Adds learning_rate and seconds to the log of an epoch, and prints it as one line that begins with "epoch"."""

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs):
        """Must come first of all callbacks: what it adds is for the others."""
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        logs["seconds"] = round(time.perf_counter() - self.started, 3)
        values = "  ".join(f"{name} {value:.4g}" for name, value in logs.items())
        print(f"epoch {epoch + 1}/{self.params['epochs']}  {values}", flush=True)


def train(job: dict) -> None:
    """Trains on the job's cases and keeps the weights of the best epoch, or of the last."""
    configuration = job["configuration"]
    tf.keras.utils.set_random_seed(configuration["seed"])
    network = make_network(job)
    # MIScnn passes the rate as `lr`, which this Keras takes without a word and ignores.
    network.model.optimizer.learning_rate.assign(configuration["learning_rate"])
    followed: list = [Progress()]
    if configuration["plateau"]:
        followed.append(callbacks.ReduceLROnPlateau(monitor="loss", mode="min", **configuration["plateau"]))
    if configuration["early_stop_patience"]:
        patience = configuration["early_stop_patience"]
        followed.append(callbacks.EarlyStopping(monitor="loss", mode="min", patience=patience))
    keep_best = configuration["keep_best"]
    followed.append(callbacks.ModelCheckpoint(job["weights"], monitor="loss", mode="min", save_best_only=keep_best))
    followed.append(callbacks.CSVLogger(Path(job["work"]) / "history.csv"))
    network.train(
        job["cases"],
        epochs=configuration["epochs"],
        iterations=configuration["steps_per_epoch"],
        callbacks=followed,
    )
    if not Path(job["weights"]).is_file():
        sys.exit("the loss was never a number: lower training.learning_rate")


def predict(job: dict) -> None:
    """Segments the job's cases."""
    network = make_network(job)
    network.load(job["weights"])
    network.predict(job["cases"])


def make_network(job: dict) -> Neural_Network:
    """MIScnn's pipeline as covid19.MIScnn puts it together, with the job's numbers."""
    configuration, work = job["configuration"], Path(job["work"])
    files = Data_IO(
        NIFTI_interface(channels=1, classes=configuration["classes"]),
        job["data"],
        output_path=str(work / "predictions"),
        batch_path=str(work / "batches"),
        delete_batchDir=True,
    )
    low, high = configuration["clip"]
    steps = [Clipping(min=low, max=high), Normalization(mode="grayscale")]
    if configuration["spacing_mm"]:
        steps.append(Resampling(tuple(configuration["spacing_mm"]), order_img=configuration["image_order"]))
    steps.append(Normalization(mode="z-score"))
    preprocessor = Preprocessor(
        files,
        batch_size=configuration["batch"][job["task"]],
        subfunctions=steps,
        data_aug=make_augmentation(configuration["augmentation"]),
        prepare_subfunctions=True,
        prepare_batches=False,
        analysis="patchwise-crop",
        patch_shape=tuple(configuration["patch"]),
    )
    preprocessor.patchwise_overlap = tuple(configuration["overlap"])
    architecture = Architecture(
        n_filters=configuration["filters"],
        depth=configuration["depth"],
        batch_normalization=configuration["batch_norm"],
    )
    architecture.ba_norm_momentum = configuration["batch_norm_momentum"]
    return Neural_Network(
        preprocessor=preprocessor,
        architecture=architecture,
        loss=LOSSES[configuration["loss"]],
        metrics=[METRICS[name] for name in configuration["metrics"]],
        learning_rate=configuration["learning_rate"],
        workers=configuration["workers"],
    )


def make_augmentation(settings: dict | None) -> Data_Augmentation | None:
    """MIScnn's augmentation; its ranges are attributes to be set."""
    if settings is None:
        return None
    augmentation = Data_Augmentation(cycles=1, **settings["steps"])
    for name, value in settings["ranges"].items():
        setattr(augmentation, name, tuple(value) if isinstance(value, list) else value)
    return augmentation


def end_with_caller() -> None:
    """Ends this process as soon as the one that started it is gone: the pipe to standard input closes then."""

    def wait() -> None:
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    end_with_caller()
    tf.keras.utils.disable_interactive_logging()  # no progress bar of each step in a log file
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    {"train": train, "predict": predict}[given["task"]](given)
