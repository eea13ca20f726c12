"""The settings and where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobyard.config import SETTINGS, LogLimit, Settings, command_line, load_settings, set_command_line
from jobyard.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_command_line() -> Iterator[None]:
    yield
    set_command_line({})


def load(folder: Path, environ: dict[str, str] | None = None, **arguments: Any) -> Settings:
    return load_settings(arguments, environ=environ or {}, folder=folder)


def write(folder: Path, text: str) -> Path:
    path = folder / "jobyard.toml"
    path.write_text(text)
    return path


def test_the_settings_are_the_ones_of_the_contract() -> None:
    names = (
        "url app queues concurrency processes busy_timeout max_log mask heartbeat lost_after poll shutdown_grace "
        "cancel_grace max_crashes max_payload keep keep_failed reclaim_after failure_limit aging log_level user"
    )

    assert names.split() == list(SETTINGS)


def test_each_setting_is_one_sentence_of_documentation() -> None:
    for setting in SETTINGS.values():
        assert setting.metadata["doc"].endswith(".")


def test_without_anything_given_the_defaults_hold(tmp_path: Path) -> None:
    settings = load(tmp_path)

    assert settings.url == "sqlite:///jobyard.db"
    assert (settings.concurrency, settings.processes, settings.queues) == (10, 1, ())
    assert settings.max_log == LogLimit(10_000, 8 * 1024 * 1024)
    assert (settings.keep, settings.keep_failed, settings.aging) == (7 * 86_400, 30 * 86_400, None)
    assert settings.user
    assert set(settings.sources.values()) == {"default"}
    assert set(settings.sources) == set(SETTINGS)


def test_settings_are_shown_without_the_url_which_may_have_a_password(tmp_path: Path) -> None:
    settings = load(tmp_path, url="postgresql://ann:hush@localhost/x")

    assert "poll=5.0" in repr(settings)
    assert "hush" not in repr(settings)


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(FrozenInstanceError):
        load(tmp_path).poll = 3  # type: ignore[misc]


def test_each_source_wins_over_the_ones_before_it(tmp_path: Path) -> None:
    path = write(tmp_path, "poll = 1\nheartbeat = 1\nconcurrency = 1\nprocesses = 1")
    environ = {"JOBYARD_HEARTBEAT": "2", "JOBYARD_CONCURRENCY": "2", "JOBYARD_PROCESSES": "2"}
    set_command_line({"processes": 4})

    settings = load(tmp_path, environ, concurrency=3, processes=3)

    assert (settings.poll, settings.heartbeat, settings.concurrency, settings.processes) == (1, 2, 3, 4)
    assert settings.sources["poll"] == str(path)
    assert settings.sources["heartbeat"] == "JOBYARD_HEARTBEAT"
    assert settings.sources["concurrency"] == "argument of Yard"
    assert settings.sources["processes"] == "--processes"
    assert settings.sources["keep"] == "default"


def test_what_is_not_given_hides_nothing(tmp_path: Path) -> None:
    write(tmp_path, 'url = "sqlite:///file.db"')
    set_command_line({"url": None})

    settings = load(tmp_path, {"JOBYARD_URL": " "}, url=None)

    assert settings.url == "sqlite:///file.db"


def test_the_real_environment_and_working_directory_are_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 'queues = ["images", "mail"]')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBYARD_URL", "sqlite:///env.db")

    settings = load_settings()

    assert (settings.queues, settings.url) == (("images", "mail"), "sqlite:///env.db")


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("queues", "images, mail,", ("images", "mail")),
        ("mask", ["pin", "iban"], ("pin", "iban")),
        ("concurrency", "20", 20),
        ("keep", "90s", 90),
        ("keep", "6h", 6 * 3600),
        ("keep", timedelta(days=2), 2 * 86_400),
        ("poll", 0.5, 0.5),
        ("shutdown_grace", 0, 0),
        ("max_payload", "2M", 2 * 1024 * 1024),
        ("max_payload", 5000, 5000),
        ("max_log", "500", LogLimit(500, 8 * 1024 * 1024)),
        ("max_log", "500, 2M", LogLimit(500, 2 * 1024 * 1024)),
        ("max_log", [500, "2M"], LogLimit(500, 2 * 1024 * 1024)),
        ("max_log", {"bytes": "2M"}, LogLimit(10_000, 2 * 1024 * 1024)),
        ("aging", "off", None),
        ("aging", 0, None),
        ("aging", "10m", 600),
        ("log_level", "debug", "DEBUG"),
        ("user", "ann", "ann"),
    ],
)
def test_values_are_taken_as_users_write_them(tmp_path: Path, name: str, given: object, expected: object) -> None:
    assert getattr(load(tmp_path, **{name: given}), name) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", 3),
        ("queues", 3),
        ("mask", [3]),
        ("concurrency", 0),
        ("concurrency", True),
        ("concurrency", "ten"),
        ("concurrency", 1.5),
        ("processes", -1),
        ("busy_timeout", "soon"),
        ("heartbeat", 0),
        ("cancel_grace", -1),
        ("max_log", "1, 2, 3"),
        ("max_log", {"line": 3}),
        ("max_log", "many"),
        ("max_payload", "big"),
        ("max_payload", 0),
        ("aging", "sometimes"),
        ("aging", False),
        ("log_level", "loud"),
        ("log_level", 10),
        ("log_level", ["info"]),
    ],
)
def test_a_bad_value_is_named_with_its_setting_and_source(tmp_path: Path, name: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, **{name: value})

    assert str(caught.value).startswith(f"argument of Yard: {name}=")


def test_a_bad_value_of_the_environment_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^JOBYARD_POLL: poll='often': give seconds"):
        load(tmp_path, {"JOBYARD_POLL": "often"})


def test_an_unknown_key_in_the_file_is_an_error_with_the_nearest_one(tmp_path: Path) -> None:
    path = write(tmp_path, "max_crash = 3")

    with pytest.raises(ConfigError) as caught:
        load(tmp_path)

    assert str(caught.value) == f"{path}: there is no setting 'max_crash'; did you mean 'max_crashes'?"


def test_a_key_like_no_other_is_answered_with_all_of_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the settings are url, app, queues"):
        load(tmp_path, zzz=3)


def test_a_near_miss_in_the_environment_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"JOBYARD_KEEP_FAILD: there is no setting 'keep_faild'; .*'keep_failed'"):
        load(tmp_path, {"JOBYARD_KEEP_FAILD": "3d"})


@pytest.mark.parametrize("variable", ["JOBYARD_TEST_PG", "JOBYARD_DEMO_FOLDER", "JOBYARDX", "OTHER_URL"])
def test_other_variables_are_left_alone(tmp_path: Path, variable: str) -> None:
    assert load(tmp_path, {variable: "x"}) == load(tmp_path)


@pytest.mark.parametrize("text", ["poll = ", "poll = 3\npoll = 4", "\udcff"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "jobyard.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(ConfigError) as caught:
        load(tmp_path)

    assert str(path) in str(caught.value)


def test_a_worker_is_never_lost_between_two_heartbeats(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"argument of Yard: heartbeat=5 must be at most half of lost_after=3"):
        load(tmp_path, lost_after=3, heartbeat=5)


def test_a_heartbeat_that_nobody_set_follows_lost_after(tmp_path: Path) -> None:
    settings = load(tmp_path, lost_after=3)

    assert (settings.heartbeat, settings.sources["heartbeat"]) == (0.5, "lost_after of argument of Yard")


def test_the_command_line_can_be_handed_on() -> None:
    set_command_line({"poll": "3"})

    noted = command_line()
    set_command_line({})

    assert noted == {"poll": "3"}
    assert command_line() == {}
