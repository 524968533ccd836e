"""Bucket settings and the addresses derived from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from generator_service.blobs.bucket import Bucket, Keys
from generator_service.settings import Settings

SECRET = "0" * 64
PAIR = {"s3_access_key_id": "AKIA", "s3_secret_access_key": "very-secret"}


@pytest.fixture(autouse=True)
def nothing_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


def settings(**given: Any) -> Settings:
    return Settings(jwt_secret=SECRET, **given)  # type: ignore[arg-type]


def bucket(**given: Any) -> Bucket:
    found = settings(s3_bucket="images", **given).bucket
    assert found is not None
    return found


def test_without_a_bucket_images_are_in_the_data_folder() -> None:
    chosen = settings(data_dir="/data")
    assert chosen.bucket is None
    assert chosen.blobs_folder == Path("/data/blobs")
    assert chosen.needs_data_dir


def test_a_bucket_and_a_server_of_tasks_need_no_folder() -> None:
    assert settings(s3_bucket="images").needs_data_dir, "of SQLite"
    assert settings(database_url="postgresql://host/db").needs_data_dir, "of the images"
    assert not settings(s3_bucket="images", database_url="postgresql://host/db").needs_data_dir


def test_the_least_that_must_be_said_is_the_name() -> None:
    assert bucket() == Bucket(
        name="images", endpoint="https://s3.us-east-1.amazonaws.com", region="us-east-1", keys=None
    )


def test_all_that_can_be_said() -> None:
    found = bucket(
        s3_endpoint="https://s3.example.com:9000/",
        s3_region="eu-west-1",
        s3_prefix="/whitebg/one/",
        s3_path_style=False,
        s3_public_url="https://images.s3.example.com/",
        s3_session_token="token",
        **PAIR,
    )
    assert found == Bucket(
        name="images",
        endpoint="https://s3.example.com:9000",
        region="eu-west-1",
        prefix="whitebg/one",
        path_style=False,
        public_url="https://images.s3.example.com",
        keys=Keys(access_key_id="AKIA", secret_access_key="very-secret", session_token="token"),
    )
    assert found.url == "https://images.s3.example.com:9000"
    assert found.public_address("input/ab/a b") == "https://images.s3.example.com/whitebg/one/input/ab/a%20b"


def test_aws_own_variables_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://store.example.com")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert (bucket().endpoint, bucket().region) == ("https://store.example.com", "eu-north-1")
    monkeypatch.setenv("AWS_REGION", "eu-south-1")
    assert bucket(s3_endpoint="https://other.example.com").url == "https://other.example.com/images"
    assert bucket().region == "eu-south-1"
    assert settings().bucket is None, "they do not ask for a bucket"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"s3_access_key_id": "AKIA"}, "SECRET_ACCESS_KEY go together; only one is set"),
        ({"s3_secret_access_key": "very-secret"}, "SECRET_ACCESS_KEY go together; only one is set"),
        ({"s3_session_token": "very-secret"}, "S3_SESSION_TOKEN goes with WHITEBG_S3_ACCESS_KEY_ID"),
        ({"s3_endpoint": "http://store:9000"}, "WHITEBG_S3_ENDPOINT is plain http, which shows photos"),
        ({"s3_public_url": "http://store:9000/images"}, "WHITEBG_S3_PUBLIC_URL is plain http"),
        ({"s3_endpoint": "store:9000"}, "must be https:// (or http://) and a host in ASCII"),
        ({"s3_endpoint": "https://AKIA:very-secret@store"}, "without name, password, query or fragment"),
        ({"s3_endpoint": "https://store/images"}, "/images is too much"),
        ({"s3_endpoint": "https://store:port"}, "the port must be a number"),
        ({"s3_public_url": "https://store/images?x=1"}, "without name, password, query or fragment"),
        ({"s3_bucket": "s3://images"}, "no address around it"),
        ({"s3_bucket": "Images"}, "lower-case letters"),
        ({"s3_prefix": "a//b"}, "between slashes"),
        ({"s3_bucket": None, "s3_endpoint": "https://store"}, "set WHITEBG_S3_BUCKET too"),
        ({"s3_bucket": None, **PAIR}, "WHITEBG_S3_ACCESS_KEY_ID is set, but no bucket"),
    ],
)
def test_what_can_not_be_used_is_refused_without_its_secrets(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**{"s3_bucket": "images"} | given)
    (error,) = refused.value.errors()
    assert said in error["msg"]
    assert "very-secret" not in error["msg"]


def test_plain_http_may_be_asked_for() -> None:
    assert bucket(s3_endpoint="http://store:9000", s3_allow_http=True).url == "http://store:9000/images"
