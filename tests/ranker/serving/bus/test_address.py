from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from ranker.errors import InvalidInputError, NotFoundError, RankerError
from ranker.serving.bus.address import Bus, parse_bus
from ranker.serving.bus.kafka import open_consumer, open_producer

SECURITY = """
"security.protocol" = "SASL_SSL"
"sasl.mechanism" = "SCRAM-SHA-512"
"sasl.username" = "adranker"
"sasl.password" = "hunter2"
"ssl.ca.location" = "ca.pem"
"ssl.endpoint.identification.algorithm" = "https"
"socket.keepalive.enable" = true
"""


def test_a_url_names_brokers_and_topic():
    bus = parse_bus("kafka://a.example:9092,10.0.0.2:9093,[::1]:9/shop.events")
    assert (bus.brokers, bus.topic) == ("a.example:9092,10.0.0.2:9093,[::1]:9", "shop.events")
    assert bus.dead_letters == "shop.events.dead-letters"
    assert str(bus) == "kafka://a.example:9092,10.0.0.2:9093,[::1]:9/shop.events"


@pytest.mark.parametrize(
    "url",
    ["", "kafka://a/t", "kafka://a:9092", "kafka://a:9092/", "kafka://a:9092/t/u", "http://a:9092/t",
     "kafka://a:9092,/t", "kafka://a:9092/t?acks=0", "kafka://a b:9092/t"],
)  # fmt: skip
def test_what_is_no_url_is_named(url: str):
    with pytest.raises(InvalidInputError, match=r"bus_url = .*must look like kafka://"):
        parse_bus(url)


def test_a_password_in_a_url_is_refused_and_not_repeated():
    with pytest.raises(InvalidInputError, match="belong in the file") as told:
        parse_bus("kafka://user:hunter2@a:9092/t")
    assert "hunter2" not in str(told.value)


def test_what_a_cluster_asks_for_comes_from_a_file_and_is_never_shown(tmp_path: Path):
    (tmp_path / "bus.toml").write_text(SECURITY)
    bus = parse_bus("kafka://a:9092/t", tmp_path / "bus.toml")
    assert bus.security["sasl.password"] == "hunter2"
    assert bus.security["ssl.ca.location"] == str(tmp_path / "ca.pem")
    assert bus.security["socket.keepalive.enable"] == "true"
    assert "hunter2" not in repr(bus) + str(bus)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('"acks" = "0"', "bus_security.key = 'acks'"),
        ('"enable.idempotence" = false', "bus_security.key = 'enable.idempotence'"),
        ('sasl.password = "hunter2"', "bus_security.key = 'sasl'"),  # a table: not in quotes
        ('"sasl.password" = ["hunter2"]', "bus_security.sasl.password = '(hidden)'"),
        ('"sasl.password" = "hunter2', "bus_security = "),
    ],
)
def test_a_broken_security_file_is_named_without_its_secrets(tmp_path: Path, text: str, named: str):
    (tmp_path / "bus.toml").write_text(text)
    with pytest.raises(InvalidInputError) as told:
        parse_bus("kafka://a:9092/t", tmp_path / "bus.toml")
    assert str(told.value).startswith(named)
    assert "hunter2" not in str(told.value)


def test_a_security_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(NotFoundError, match=r"nowhere\.toml"):
        parse_bus("kafka://a:9092/t", tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "property_",
    [{"security.protocol": "hunter2"}, {"sasl.hunter2": "x"},
     {"security.protocol": "SSL", "ssl.key.location": "/hunter2"},
     {"security.protocol": "SASL_SSL", "sasl.mechanism": "hunter2"}],
)  # fmt: skip
def test_what_kafka_does_not_take_is_named_without_its_value(property_: dict[str, str]):
    secrets = {"sasl.password": "hunter2", "ssl.key.password": "hunter2"}
    bus = Bus("a:9092", "t", {**secrets, **property_})
    for open_one in (partial(open_producer, bus, 10, lambda _: None), partial(open_consumer, bus, "g")):
        with pytest.raises(RankerError, match=r"^bus_security = ") as told:
            open_one()
        assert told.value.__cause__ is None
        assert str(told.value).replace("sasl.hunter2", "").count("hunter2") == 0
