"""Untrusted YAML: plain values, lists and keys within limits, or refused in one line."""

from collections import Counter

import yaml

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.text_files import nested_too_deeply

DEEPEST = 20
MOST_VALUES = 10_000
LARGEST_CHARACTERS = 1_000_000


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases, which a few lines could expand to any size, and without tags, dates and times, which would
    be numbers of base 60; a key may be given once."""

    depth = 0
    count = 0

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"no aliases (*{str(self.peek_event().anchor)[:20]}) are read here; repeat the value")
        self.depth += 1
        self.count += 1
        if self.count > MOST_VALUES:
            raise yaml.YAMLError(f"more than {MOST_VALUES:,} keys and values")
        if self.depth > DEEPEST:
            raise yaml.YAMLError(f"more than {DEEPEST} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def resolve(self, kind, value, implicit):
        if kind is yaml.ScalarNode and implicit[0] and ":" in value:
            return "tag:yaml.org,2002:str"
        return super().resolve(kind, value, implicit)

    def construct_mapping(self, node, deep=False):
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if twice := [key for key, count in keys.items() if count > 1]:
            raise yaml.YAMLError(f"{twice[0][:40]} is given twice")
        return super().construct_mapping(node, deep)


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(("timestamp", "merge"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse_yaml(text: str, origin: str) -> object:
    """The content of YAML text; None where it is empty. `origin` names it in errors.

    Dates and times (12:00:00) stay text. Raises InputError for what is not YAML, aliases, a key given twice, numbers of
    thousands of digits, more than 20 levels, more than 10,000 keys and values, and more than a million characters.
    """
    if len(text) > LARGEST_CHARACTERS:
        raise InputError(f"{origin}: at most {LARGEST_CHARACTERS:,} characters are read, found {len(text):,}")
    try:
        content = yaml.load(text, _PlainLoader)  # a SafeLoader: makes no objects
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        raise InputError(f"{origin}: not YAML as it is read here ({' '.join(str(error).split())[:200]})") from error
    if nested_too_deeply(content, DEEPEST):
        raise InputError(f"{origin}: more than {DEEPEST} levels")
    return content
