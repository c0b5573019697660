"""What `--dry-run` prints: the effective settings and an estimate of the cost."""

import dataclasses

from pneumoseg.scripts.shared.printing import print_json


def print_estimate(settings, dataset, folds: int, *, json: bool) -> None:
    """Prints settings, cases and cost, of networks for whole studies their size alone; trains nothing and writes
    nothing."""
    from pneumoseg.pipeline.settings.loading import settings_yaml
    from pneumoseg.pipeline.settings.studies import StudySettings

    if isinstance(settings, StudySettings):
        from pneumoseg.pipeline.networks.study_networks import build_study_network

        parameters = build_study_network(settings).count_params()
        if json:
            print_json({"settings": settings.model_dump(mode="json"), "estimate": {"parameters": parameters}})
            return
        print(settings_yaml(settings))
        print(f"{len(dataset)} studies, {folds} trainings, network of {parameters:,} parameters")
        return
    from pneumoseg.pipeline.training.cost import estimate

    cost = estimate(settings, [case.read_grid() for case in dataset], folds)
    if json:
        print_json({"settings": settings.model_dump(mode="json"), "estimate": dataclasses.asdict(cost)})
        return
    print(settings_yaml(settings))
    print(f"{len(dataset)} cases, {folds} trainings, network of {cost.parameters:,} parameters")
    print(f"estimate on this processor: {cost.fold_minutes:.0f} min a training, {cost.total_minutes:.0f} min in all,")
    print(f"{cost.memory_gb:.1f} GB of memory, {cost.disk_gb:.2f} GB of disk")
