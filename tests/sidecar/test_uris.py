"""What of a URI is a secret, and what is not; in time that grows with the text."""

import pytest

from rustnet.probe.redact import redact_line
from rustnet.probe.uris import MAX_NAMES, MAX_SHOWN, names_secret, without_secrets
from tests.support.effort import assert_linear

CUT = {
    "http://u:S3cretPw@h/x?mail=a@b.com": "http://u:***@h/x?mail=a@b.com",
    "http://u:S3cret/Pw@h/x": "http://u:***@h/x",
    "http://a:S3@cretPw@h:80/?b=c@d": "http://a:***@h:80/?b=c@d",
    "?u=http://a:S3cretPw@h&m=x@y": "?u=http://a:***@h&m=x@y",
    "http%3A%2F%2Fa%3AS3cretPw%40h%2Fp%3Fm%3Dx%40y": "http%3A%2F%2Fa%3A***%40h%2Fp%3Fm%3Dx%40y",
    "https://ghp_S3cretPwS3cretPw00000@h/x": "https://***@h/x",
    "<sip:bob:S3cretPw@h>;tag=1, <sip:ann:S3cretPw@h>": "<sip:bob:***@h>;tag=1, <sip:ann:***@h>",
    "/p?user=bob&password=S3cretPw&x=1": "/p?user=bob&password=***&x=1",
    "/p;password=S3cretPw;x=1/y?z=1": "/p;password=***;x=1/y?z=1",
    "/p?password=S3;cret#Pw&x=1": "/p?password=***&x=1",
    "userPassword=S3cretPw,cn=bob": "userPassword=***,cn=bob",
    "pw='S3cret Pw' x": "pw='***' x",
    "/cb?code=S3cretPw&state=1": "/cb?code=***&state=1",
    "http://h/" + "x" * 380 + "//u:S3cret": "http://h/" + "x" * 380 + "//u:S3cret",
    "http://u:S3cretP" + "w" * 500: "http://u:***",
}
NAMES = "password PassWord pass_word db-pass torrent_pass access_token id_token csrfToken X-Amz-Signature api_key2"
OTHERS = "user page q bypass compass keyword monkey tokens_count author signed codec coder session_time passenger"


@pytest.mark.parametrize("text", CUT)
def test_what_is_cut(text: str) -> None:
    assert without_secrets(text, bare=True) == CUT[text]
    assert without_secrets(CUT[text], bare=True) == CUT[text]


def test_what_is_remembered() -> None:
    cut: list[str] = []
    without_secrets("http://a:pw@h/?token=S3cret%2FPw&key=default&sid=12345", cut=cut)
    assert cut == ["pw", "S3cret%2FPw", "S3cret/Pw"]


def test_names() -> None:
    assert [name for name in NAMES.split() if not names_secret(name)] == []
    assert [name for name in OTHERS.split() if names_secret(name)] == []
    for n in range(3 * MAX_NAMES):
        assert not names_secret(f"x{n}y")


def test_keys_of_a_service_binding_are_numbers() -> None:
    binding = "1 svc.example.com alpn=h2 key667=hello key65400=x"
    assert without_secrets(binding, bare=True) == binding
    assert without_secrets("16 . key7=a token=S3cretPw", bare=True) == "16 . key7=a token=***"
    assert without_secrets(binding) == "1 svc.example.com alpn=h2 key667=*** key65400=***"  # may be a reply
    assert without_secrets("/x?1 . &key7=S3cretPw", bare=True) == "/x?1 . &key7=***"


HOSTILE = ("//a:x", "%2F%2Fa%3A", "key=", "sip:", "=a", "x@", "%25", 'pw="', "//:%", "//:@", "http://a:", "?&;#=@%3D")


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("ends", [("", "@"), ("@=", ""), ("", "%40%3D")])
def test_hostile_texts_take_linear_time(piece: str, ends: tuple[str, str]) -> None:
    def work(size: int) -> None:
        text = ends[0] + piece * (size // len(piece)) + ends[1]
        for _ in range(10):
            without_secrets(text, bare=True)

    assert_linear(work, MAX_SHOWN // 4 - 8)


def test_command_lines_use_the_same_rules() -> None:
    assert redact_line("curl http://u:S3cretPw@h/x?a=1&id_token=S3cretPw") == "curl http://u:***@h/x?a=1&id_token=***"
