"""Trains nnU-Net 2.8 for a number of minutes on the CPU and predicts; runs in nnU-Net's own environment.

Usage: python nnunet_train.py WORK SIZE.json MINUTES FIGURES.json, where WORK/raw/Dataset001_ct is a data set in
nnU-Net's layout, whose cases of imagesTs are predicted to WORK/predictions. SIZE.json: what differs from nnU-Net's own
plans (`spacing`, `patch_size`, `features_per_stage` along z, y, x; {} for none). The learning rate falls to zero at the
end of the minutes: how many steps these hold is measured on three steps beforehand.
"""

import json
import os
import sys
import time
from pathlib import Path

CONFIGURATION = "3d_fullres"
STEPS_PER_EPOCH, TRIED, UNTIMED = 10, 3, 2


def main(work: Path, size: dict, minutes: float, figures: Path) -> None:
    """Plans, preprocesses, trains and predicts as nnU-Net does by default, but for size and length."""
    for part in ("raw", "preprocessed", "results"):
        (work / part).mkdir(parents=True, exist_ok=True)
        os.environ[f"nnUNet_{part}"] = str(work / part)
    os.environ.setdefault("nnUNet_n_proc_DA", "2")
    import torch
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess

    extract_fingerprints([1], num_processes=2)
    plans_name = plan_experiments([1])
    name = "Dataset001_ct"
    plans_file = work / "preprocessed" / name / f"{plans_name}.json"
    plans = json.loads(plans_file.read_text())
    plan = plans["configurations"][CONFIGURATION]
    if size:
        plan |= {key: size[key] for key in ("spacing", "patch_size") if key in size}
        shrink(plan, size)
        plans_file.write_text(json.dumps(plans))
    preprocess([1], plans_name, configurations=[CONFIGURATION], num_processes=[2])
    dataset = json.loads((work / "raw" / name / "dataset.json").read_text())
    trainer = _trainer(plans, dataset, torch)
    steps_per_second = _rate(trainer, torch)
    trainer = _trainer(plans, dataset, torch)
    trainer.num_epochs = max(1, round(minutes * 60 * steps_per_second / STEPS_PER_EPOCH))
    started = time.perf_counter()
    trainer.run_training()
    taken = (time.perf_counter() - started) / 60
    _predict(work, name, trainer, torch)
    steps = trainer.num_epochs * STEPS_PER_EPOCH
    facts = {"steps": steps, "minutes": round(taken, 2)}
    facts |= {"patch_size": plan["patch_size"], "batch_size": plan["batch_size"], "spacing_mm": plan["spacing"]}
    figures.write_text(json.dumps(facts))


def shrink(plan: dict, size: dict) -> None:
    """As many levels as the given features, halved as nnU-Net does: axes of 8 voxels or fewer are no longer."""
    network = plan["architecture"]["arch_kwargs"]
    features = size.get("features_per_stage", network["features_per_stage"])
    patch, strides, kernels = list(plan["patch_size"]), [], []
    for level in range(len(features)):
        stride = [1, 1, 1] if level == 0 else [2 if voxels > 8 else 1 for voxels in patch]
        patch = [voxels // step for voxels, step in zip(patch, stride, strict=True)]
        strides.append(stride)
        kernels.append([3, 3, 3])
    network |= {
        "n_stages": len(features),
        "features_per_stage": features,
        "strides": strides,
        "kernel_sizes": kernels,
        "n_conv_per_stage": [2] * len(features),
        "n_conv_per_stage_decoder": [2] * (len(features) - 1),
    }


def _trainer(plans: dict, dataset: dict, torch):
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    torch.manual_seed(0)
    # Fold "all": the cases of the test lie elsewhere.
    trainer = nnUNetTrainer(
        plans | {"continue_training": False}, CONFIGURATION, "all", dataset, device=torch.device("cpu")
    )
    trainer.num_iterations_per_epoch = STEPS_PER_EPOCH
    trainer.num_val_iterations_per_epoch = 1
    trainer.save_every = 10**6
    return trainer


def _rate(trainer, torch) -> float:
    """Steps per second, after the first ones."""
    trainer.num_epochs = 1000
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    for _ in range(UNTIMED):
        trainer.train_step(next(trainer.dataloader_train))
    started = time.perf_counter()
    for _ in range(TRIED):
        trainer.train_step(next(trainer.dataloader_train))
    seconds = (time.perf_counter() - started) / TRIED
    for loader in (trainer.dataloader_train, trainer.dataloader_val):
        if hasattr(loader, "_finish"):
            loader._finish()
    return 1 / seconds


def _predict(work: Path, name: str, trainer, torch) -> None:
    """Masks of imagesTs by the last weights, without mirroring, as that is eight times as slow."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(
        str(Path(trainer.output_folder).parent), ("all",), "checkpoint_final.pth"
    )
    predictor.predict_from_files(
        str(work / "raw" / name / "imagesTs"),
        str(work / "predictions"),
        save_probabilities=False,
        num_processes_preprocessing=1,
        num_processes_segmentation_export=1,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), json.loads(Path(sys.argv[2]).read_text()), float(sys.argv[3]), Path(sys.argv[4]))
