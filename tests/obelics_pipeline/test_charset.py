"""Charsets: the order of the standard, its labels and decoders, and declarations that are wrong."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.charset import to_utf8

HTML = "text/html"
UTF8 = "text/html; charset=utf-8"
RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. "
GERMAN = "Die Straße ist schön und führt über die Brücke. "


@pytest.mark.parametrize(
    ("body", "content_type", "text", "encoding"),
    [
        pytest.param(b"\xef\xbb\xbf\xc3\xa9", "text/html; charset=gbk", "é", "utf-8", id="BOM before header"),
        pytest.param(b"\xff\xfeh\0i\0", UTF8, "hi", "utf-16le", id="UTF-16LE BOM"),
        pytest.param(b"\xfe\xff\0h\0i", None, "hi", "utf-16be", id="UTF-16BE BOM"),
        pytest.param(
            b"<meta charset=utf-8>\xe9", "text/html; charset=latin1", "é", "windows-1252", id="header wins"
        ),
        pytest.param(b"<meta charset=gbk>\xc3\xa9", UTF8, "é", "utf-8", id="header wins over meta"),
        pytest.param(
            b"<meta charset=latin1>\xc3\xa9", HTML, "Ã©", "windows-1252", id="meta believed for UTF-8"
        ),
        pytest.param(
            b"<meta charset=koi8-r>\xc1", "text/html; charset=nonsense", "а", "koi8-r", id="unknown label"
        ),
        pytest.param(b"\xc3\xa9", None, "é", "utf-8", id="undeclared UTF-8"),
        pytest.param(b"\xe9", None, "é", "windows-1252", id="one undeclared byte"),
        pytest.param(b"", None, "", "utf-8", id="empty"),
        pytest.param(b"abc", "text/html; charset=ascii", "abc", "windows-1252", id="ASCII"),
        pytest.param(b"a\0b", None, "a\0b", "utf-8", id="NUL"),
        pytest.param("héé".encode() + b"\xe9", UTF8, "héé\ufffd", "utf-8", id="UTF-8 with a slip"),
        pytest.param(b"caf\xe9 \xfc", UTF8, "café ü", "windows-1252", id="UTF-8 declared, never used"),
        pytest.param("日本語".encode()[:-1], UTF8, "日本\ufffd", "utf-8", id="UTF-8 cut inside a character"),
        pytest.param(b"<p>hi", "text/html; charset=utf-16", "<p>hi", "utf-8", id="impossible UTF-16"),
        pytest.param(
            "<p>é".encode("utf-16-be"), "text/html; charset=utf-16be", "<p>é", "utf-16be", id="UTF-16BE"
        ),
        pytest.param(
            b"h\0i\0!", "text/html;charset=utf-16", "hi\ufffd", "utf-16le", id="UTF-16 of odd length"
        ),
        pytest.param(
            b"\xe9", "text/html; charset=iso-2022-kr", "é", "windows-1252", id="replacement encoding"
        ),
    ],
)
def test_the_order(body: bytes, content_type: str | None, text: str, encoding: str) -> None:
    result, name = to_utf8(body, content_type)
    assert (re.sub("^<meta.*?>", "", result.decode()), name) == (text, encoding)


@pytest.mark.parametrize(
    ("label", "raw", "text", "encoding"),
    [
        pytest.param("iso-8859-1", b"\x80\x93x\x94", "€“x”", "windows-1252", id="latin1 is windows-1252"),
        pytest.param(
            "us-ascii", b"\x81\x8d\x8f\x90\x9d", "\x81\x8d\x8f\x90\x9d", "windows-1252", id="C1 controls"
        ),
        pytest.param("ISO-8859-9", b"\xfe\x80", "ş€", "windows-1254", id="latin5 is windows-1254"),
        pytest.param("tis-620", b"\xa1\xdb", "ก\ufffd", "windows-874", id="Thai"),
        pytest.param(
            " GB2312 ",
            b"\x94\x44\x80",
            "擠€".replace("擠", b"\x94\x44".decode("gbk")),
            "gbk",
            id="gb2312 is gbk",
        ),
        pytest.param("gb18030", b"\x81\x30\x84\x36", "¥", "gb18030", id="four bytes"),
        pytest.param("shift_jis", b"\x87\x40\\~", "①\\~", "shift_jis", id="vendor characters of Shift_JIS"),
        pytest.param("euc-jp", b"\xad\xa1\xa4\xa2\xad\xea\xfc\xe2", "①あ㈱髙", "euc-jp", id="of EUC-JP"),
        pytest.param("ks_c_5601-1987", b"\x81\x41", "갂", "euc-kr", id="unified Hangul"),
        pytest.param("big5", b"\xa4\x40\x87\x40", "一䏰", "big5", id="Hong Kong characters"),
        pytest.param("koi8-u", b"\xae\xbe", "ўЎ", "koi8-u", id="Belarusian letters of KOI8-U"),
        pytest.param("windows-1255", b"\xca\xe0", "\u05baא", "windows-1255", id="a Hebrew point"),
        pytest.param("iso-8859-8-i", b"\xe0", "א", "iso-8859-8-i", id="logical Hebrew"),
        pytest.param("x-user-defined", b"\x80", "\uf780", "x-user-defined", id="private use"),
        pytest.param('"windows-1251"', b"\xe6", "ж", "windows-1251", id="quoted"),
        pytest.param("'windows-1251'", b"\xe6", "ж", "windows-1251", id="in single quotes"),
        pytest.param("x-sjis", b"\x81", "\ufffd", "shift_jis", id="cut inside a character"),
        pytest.param("iso-2022-jp", b'\x1b$B$"\x1b(B', "あ", "iso-2022-jp", id="ISO-2022-JP is no ASCII"),
    ],
)
def test_labels_and_decoders(label: str, raw: bytes, text: str, encoding: str) -> None:
    assert to_utf8(raw, f"text/html; Charset={label}; x=y") == (text.encode(), encoding)


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        pytest.param(b"<meta charset=windows-1251>", "windows-1251", id="charset"),
        pytest.param(b"<META CHARSET = 'Windows-1251' />", "windows-1251", id="case, spaces, quotes"),
        pytest.param(b'<meta/charset="windows-1251">', "windows-1251", id="slash for space"),
        pytest.param(
            b'<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">',
            "windows-1251",
            id="http-equiv",
        ),
        pytest.param(
            b"<meta content='text/html;charset=\"windows-1251\"' http-equiv=content-type>",
            "windows-1251",
            id="content first, quotes inside",
        ),
        pytest.param(
            b'<meta content="text/html; charset=windows-1251">', None, id="content without http-equiv"
        ),
        pytest.param(b'<meta name="x" content="charset=windows-1251">', None, id="another meta"),
        pytest.param(b"<!-- <meta charset=gbk> --><meta charset=windows-1251>", "windows-1251", id="comment"),
        pytest.param(b"<!--><meta charset=windows-1251>", "windows-1251", id="shortest comment"),
        pytest.param(b"<!-- <meta charset=windows-1251>", None, id="comment without end"),
        pytest.param(
            b'<p title="<meta charset=gbk>"><meta charset=windows-1251>', "windows-1251", id="in a value"
        ),
        pytest.param(
            b"<?x <meta charset=gbk ?><meta charset=windows-1251>", "windows-1251", id="instruction"
        ),
        pytest.param(
            b"<!x <meta charset=gbk ?><meta charset=windows-1251>", "windows-1251", id="declaration"
        ),
        pytest.param(
            b"<metadata charset=gbk><meta charset=windows-1251>", "windows-1251", id="longer tag name"
        ),
        pytest.param(
            b"<meta charset=x charset=gbk><meta charset=windows-1251>", "windows-1251", id="repeated"
        ),
        pytest.param(b"<meta charset=windows-1251", None, id="tag without end"),
        pytest.param(b'<meta charset="windows-1251>', None, id="quote without end"),
        pytest.param(b"<meta charset=utf-16>", "utf-8", id="UTF-16 in ASCII is UTF-8"),
        pytest.param(b"<meta charset=x-user-defined>", "windows-1252", id="user-defined is windows-1252"),
        pytest.param(b"<?xml version='1.0' encoding='windows-1251'?>", "windows-1251", id="XML declaration"),
        pytest.param(b" <?xml version='1.0' encoding='gbk'?>", None, id="XML declaration not at the start"),
        pytest.param(
            b"<?xml encoding='gbk'?><meta charset=windows-1251>", "windows-1251", id="meta before XML"
        ),
    ],
)
def test_the_prescan(head: bytes, encoding: str | None) -> None:
    assert to_utf8(head, None)[1] == (encoding or "utf-8")


def test_the_prescan_ends_at_1024_bytes_unless_the_page_is_no_utf8() -> None:
    late = b" " * 1024 + b"<meta charset=windows-1251>"
    assert to_utf8(late + "é".encode(), None)[1] == "utf-8"
    assert to_utf8(late + b"\xe9\xe6", None) == ((late.decode() + "йж").encode(), "windows-1251")


@pytest.mark.parametrize(
    ("text", "codec", "encoding"),
    [
        pytest.param(GERMAN, "cp1252", "windows-1252", id="German"),
        pytest.param(RUSSIAN, "cp1251", "windows-1251", id="Russian"),
        pytest.param(RUSSIAN, "koi8-r", "koi8-r", id="Russian, KOI8"),
        pytest.param(
            "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。", "gb18030", "gb18030", id="Chinese"
        ),
        pytest.param(
            "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心。",
            "big5",
            "big5",
            id="traditional Chinese",
        ),
        pytest.param(
            "すべての人間は、生まれながらにして自由であり、平等である。", "cp932", "shift_jis", id="Japanese"
        ),
        pytest.param(
            "すべての人間は、生まれながらにして自由であり、平等である。",
            "euc_jp",
            "euc-jp",
            id="Japanese, EUC",
        ),
        pytest.param(
            "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
            "cp949",
            "euc-kr",
            id="Korean",
        ),
    ],
)
@pytest.mark.parametrize("content_type", [None, UTF8], ids=["undeclared", "declared UTF-8"])
def test_detection(text: str, codec: str, encoding: str, content_type: str | None) -> None:
    page = "<html><body>" + f"<div class='x'>{text}</div>" * 10
    assert to_utf8(page.encode(codec), content_type) == (page.encode(), encoding)


def test_detection_looks_past_markup() -> None:
    page = "<script>var x;</script>" * 5000 + GERMAN * 5
    assert to_utf8(page.encode("latin-1"), None) == (page.encode(), "windows-1252")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xff" * 4_000_000, id="nothing valid"),
        pytest.param(b"\xfe\xa1" * 2_000_000, id="rows that do not exist"),
        pytest.param(b"<!" * 40_000 + b"\xe9" * 1_000_000, id="declarations without end"),
        pytest.param(b"<meta " * 20_000 + b"\xe9" * 1_000_000, id="tags without end"),
    ],
)
@pytest.mark.parametrize("label", ["utf-8", "gbk", "euc-jp", "iso-2022-jp", "utf-16", "none"])
def test_hostile_pages_take_no_time(body: bytes, label: str) -> None:
    began = time.perf_counter()
    to_utf8(body, f"text/html; charset={label}")
    assert time.perf_counter() - began < 2


def test_utf8_is_not_copied() -> None:
    body = "größer".encode()
    assert to_utf8(body, UTF8)[0] is body
    assert to_utf8(body, None)[0] is body
    assert to_utf8(b"plain", "text/html; charset=gbk")[0] == b"plain"


CONTENT_TYPES = (
    st.none()
    | st.text(max_size=20)
    | st.sampled_from(
        [
            "utf-8",
            "utf-16",
            "gbk",
            "big5",
            "euc-jp",
            "euc-kr",
            "shift_jis",
            "iso-2022-jp",
            "koi8-u",
            "hz-gb-2312",
            "windows-874",
            "x-user-defined",
            "macintosh",
            "iso-8859-16",
        ]
    ).map("text/html; charset={}".format)
)

SCRAPS = st.lists(
    st.binary(max_size=8)
    | st.sampled_from([b"<meta ", b"charset=", b"gbk", b'"', b"'", b">", b"<!--", b"-->", b"<?xml encoding="])
    | st.sampled_from(
        [b"http-equiv=content-type ", b"content='charset=", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3"]
    ),
    max_size=30,
).map(b"".join)


@given(SCRAPS, CONTENT_TYPES)
def test_any_bytes_become_utf8(body: bytes, content_type: str | None) -> None:
    result, _ = to_utf8(body, content_type)
    result.decode()
    assert not result.startswith(b"\xef\xbb\xbf")
    assert to_utf8(result, UTF8)[0] == result


@given(st.text().filter(lambda text: not text.startswith("\ufeff")))
def test_utf8_stays_as_it_is(text: str) -> None:
    assert to_utf8(text.encode(), UTF8) == (text.encode(), "utf-8")
