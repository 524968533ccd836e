"""File names in forms: RFC 2047 words, extended parameters, and the escapes of HTML forms."""

from __future__ import annotations

import pytest

from ws_gateway.http.filenames import decoded_filename, with_plain_filename


@pytest.mark.parametrize(
    ("parameters", "filename"),
    [
        (b"filename*=UTF-8''%E6%9D%AF.png", "杯.png".encode()),
        (b"FileName*=utf-8'zh'%E6%9D%AF.png", "杯.png".encode()),
        (b"filename=\"cup.png\"; filename*=UTF-8''%E6%9D%AF.png", "杯.png".encode()),
        (b"filename*=UTF-8''%E6%9D%AF.png; filename=cup.png", "杯.png".encode()),
        (b"filename*=iso-8859-1'en'caf%E9.png", "café.png".encode()),
        (b"filename*=UTF-8''a%22b%5Cc.png", b'a\\"b\\\\c.png'),
        (b"filename*=nonsense''a.png", b"a.png"),
        (b"filename*=UTF-8''caf%E9.png", "caf\ufffd.png".encode()),
        (b"filename*=undefined''a.png", b"a.png"),
        (b"filename*=utf-7''+2AA-.png", b"+2AA-.png"),  # half a character
    ],
)
def test_extended_parameter_replaces_the_plain_one(parameters: bytes, filename: bytes) -> None:
    expected = b'form-data; name="file"; filename="' + filename + b'"'
    assert with_plain_filename(b'form-data; name="file"; ' + parameters) == expected


@pytest.mark.parametrize("header", [b'form-data; name="file"', b'form-data; name="file"; filename="a.png"', b""])
def test_header_without_extended_parameter_is_unchanged(header: bytes) -> None:
    assert with_plain_filename(header) == header


@pytest.mark.parametrize(
    ("name", "decoded"),
    [
        ("=?UTF-8?B?5p2v5a2QLnBuZw==?=", "杯子.png"),
        ("=?utf-8?q?caf=C3=A9.png?=", "café.png"),
        ("=?gb2312?B?sq2X0y5wbmc=?=", "=?gb2312?B?sq2X0y5wbmc=?="),  # not of its charset
        ("=?nonsense?q?a?=", "=?nonsense?q?a?="),
        ("=?undefined?q?a?=", "=?undefined?q?a?="),
        ("=?utf-7?q?+2AA-?=", "=?utf-7?q?+2AA-?="),  # half a character
        ("a%22b.png", 'a"b.png'),
        ("a%0d%0Ab.png", "a\r\nb.png"),
        ("100%25 off.png", "100%25 off.png"),
        ("杯子.png", "杯子.png"),
        ("", ""),
    ],
)
def test_plain_filename_is_decoded(name: str, decoded: str) -> None:
    assert decoded_filename(name) == decoded
