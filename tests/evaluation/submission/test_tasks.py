from pneumoseg.evaluation.submission.tasks import WHOLE, fold_tasks, part_tasks


def test_folds_are_numbered_from_zero():
    tasks = fold_tasks(2)
    assert (tasks.numbers, tasks.flags, tasks.whole) == ((0, 1), ("--fold", "{}", "--resume"), "report.html")
    assert [tasks.name_of(number) for number in tasks.numbers] == ["fold_0", "fold_1"]
    assert tasks.result_of(1) == "fold_1/metrics.csv"


def test_parts_are_numbered_from_one():
    tasks = part_tasks("severity", 3)
    assert (tasks.numbers, tasks.flags) == ((1, 2, 3), ("--part", "{}/3", "--resume"))
    assert (tasks.name_of(2), tasks.result_of(2), tasks.whole) == ("part_2_of_3", "parts/2_of_3.json", "severity.csv")
    assert part_tasks("evaluate", 3).whole == "metrics.csv"


def test_the_finishing_script_says_that_all_is_done_of_predict():
    tasks = part_tasks("predict", 3)
    assert (tasks.result_of(2), tasks.whole) == ("parts/2_of_3.json", WHOLE)
