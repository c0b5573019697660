import json

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.runtime.scheduler_address import scheduler_address


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:1", "tls://node:8786"])
def test_addresses(address):
    assert scheduler_address(address) == address


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("tcp://10.0.0.1:8786", "without TLS"),
        ("tcp://node7:8786", "without TLS"),
        ("tcp://0.0.0.0:8786", "without TLS"),
        ("tcp://localhost", "tcp://HOST:PORT or tls://HOST:PORT"),
        ("tcp://localhost:x", "tcp://HOST:PORT or tls://HOST:PORT"),
        ("tcp://:8786", "tcp://HOST:PORT or tls://HOST:PORT"),
        ("tcp://localhost:99999", "tcp://HOST:PORT or tls://HOST:PORT"),
        ("ws://localhost:8786", "tcp://HOST:PORT or tls://HOST:PORT"),
        ("no-such.json", "a scheduler is given as"),
    ],
)
def test_addresses_that_are_refused(address, message):
    with pytest.raises(InputError, match=message):
        scheduler_address(address)


def test_an_insecure_scheduler_is_taken_where_that_is_allowed():
    assert scheduler_address("tcp://10.0.0.1:8786", insecure=True) == "tcp://10.0.0.1:8786"


def test_the_file_of_a_scheduler(tmp_path):
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"type": "Scheduler", "address": "tcp://127.0.0.1:8786"}))
    assert scheduler_address(str(file)) == "tcp://127.0.0.1:8786"
    file.write_text(json.dumps({"address": "tcp://10.0.0.1:8786"}))
    with pytest.raises(InputError, match="without TLS"):
        scheduler_address(str(file))
    for content, message in (("{}", "it has no address"), ("[]", "scheduler"), ("", "scheduler"), ("{", "scheduler")):
        file.write_text(content)
        with pytest.raises(InputError, match=message):
            scheduler_address(str(file))
