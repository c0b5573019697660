"""Functions, classes and methods that nothing but tests would call are not kept."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pneumoseg

ROOT = Path(pneumoseg.__file__).parent
FOLDERS = ("data_io", "evaluation", "pipeline", "scripts")
NAMED_IN_STRINGS = ("__init__.py", "scripts/cli.py")
"""Files that import others by names in strings: the public names and the commands."""
CALLED_BY_DECORATOR = ("model_validator", "field_validator", "callback", "router")
"""Decorators that hand a function to pydantic, typer or FastAPI, which call it."""

CALLED_FROM_ELSEWHERE = {
    "register_reader": "public: file formats of one's own",
    "SerialExecutor": "public: the executor for work in one process",
    "emit": "logging calls it",
    "compose_node": "PyYAML calls it",
    "construct_mapping": "PyYAML calls it",
    "connection_made": "asyncio calls it",
    "data_received": "asyncio calls it",
    "connection_lost": "asyncio calls it",
    "pause_writing": "asyncio calls it",
    "send_400_response": "uvicorn calls it",
    "startup": "uvicorn calls it",
    "shutdown": "uvicorn calls it",
    "call": "Keras calls it",
    "compute_loss": "Keras calls it",
    "compute_metrics": "Keras calls it",
    "compute_output_shape": "Keras calls it",
    "on_epoch_begin": "Keras calls it",
    "on_epoch_end": "Keras calls it",
    "on_train_batch_end": "Keras calls it",
}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def trees() -> dict[str, ast.Module]:
    paths = [ROOT / "__init__.py", *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in paths}


def references(tree: ast.AST, strings: bool) -> Counter[str]:
    """How often each name is read: as a variable, an attribute or a quoted annotation; with `strings`, as a string."""
    counted: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            counted[node.id] += 1
        elif isinstance(node, ast.Attribute):
            counted[node.attr] += 1
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and strings:
            counted[node.value] += 1
        for quoted in annotations(node):
            counted.update(references(ast.parse(quoted, mode="eval"), strings=False))
    return counted


def annotations(node: ast.AST) -> Iterator[str]:
    """The annotations in quotes of a node."""
    parts = [getattr(node, "annotation", None), getattr(node, "returns", None)]
    for part in parts:
        for constant in ast.walk(part) if part is not None else ():
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str) and constant.value.isidentifier():
                yield constant.value


def is_called_by_decorator(node: Definition) -> bool:
    names = {name for decorator in node.decorator_list for name in references(decorator, strings=False)}
    return bool(names & set(CALLED_BY_DECORATOR))


def unused(sources: dict[str, ast.Module]) -> set[str]:
    """Names that are defined, and read nowhere but within their own definitions."""
    everywhere: Counter[str] = Counter()
    within: dict[str, Counter[str]] = {}
    for name, tree in sources.items():
        everywhere += references(tree, strings=name in NAMED_IN_STRINGS)
        for node in ast.walk(tree):
            if isinstance(node, Definition) and not node.name.startswith("__") and not is_called_by_decorator(node):
                body = ast.Module(list(node.body), [])
                within.setdefault(node.name, Counter()).update(references(body, strings=name in NAMED_IN_STRINGS))
    return {name for name, own in within.items() if everywhere[name] <= own[name]}


def test_a_function_that_only_calls_itself_is_unused():
    source = (
        "def lost(n):\n    return lost(n - 1)\n"
        "def kept() -> 'Result':\n    return Result()\n"
        "class Result:\n    def gone(self): ...\n"
        "print(kept())"
    )
    assert unused({"a.py": ast.parse(source)}) == {"lost", "gone"}
    assert unused({"a.py": ast.parse("class Own:\n    def itself(self) -> 'Own': ...")}) == {"Own", "itself"}


def test_every_definition_is_used_in_the_source():
    found = unused(trees())
    assert found - set(CALLED_FROM_ELSEWHERE) == set()


def test_what_is_called_from_elsewhere_exists():
    defined = {node.name for tree in trees().values() for node in ast.walk(tree) if isinstance(node, Definition)}
    assert set(CALLED_FROM_ELSEWHERE) <= defined
