from rustnet.dissect.framework.conversation import Conversation
from rustnet.dissect.framework.reading import MAX_NAMES, RowParser, Waiting, head, number, text, utf16
from tests.dissect.harness import ListSink


def conversation() -> tuple[ListSink, Conversation]:
    sink = ListSink()
    return sink, Conversation(sink, 1, "udp", "192.0.2.1", 1, "192.0.2.2", 2)


def test_texts() -> None:
    assert text(b"a\xffb\0c") == "a\\xffb"
    assert len(text(b"x" * 5000)) == 512
    assert utf16("né\0x".encode("utf-16-le")) == "né"
    assert utf16(b"a\0\x00\xd8") == "a\ufffd"


def test_heads() -> None:
    line, fields = head(b"X y\r\nA: 1\r\n folded\r\nA: 2\r\nm: c\r\nno colon\r\n\r\nbody: 1\r\n", {"m": "contact"})
    assert line == "X y"
    assert fields == {"a": "1 folded", "contact": "c"}
    assert len(head(b"X\n" + b"".join(b"h%d: 1\n" % i for i in range(5000)))[1]) <= 100


def test_numbers() -> None:
    assert number("17", 99) == 17
    for digits in (None, "", "100", "-1", "1.0", "٣", "9" * 30):
        assert number(digits, 99) is None


def test_waiting_is_bounded() -> None:
    _, talk = conversation()
    waiting: Waiting[int, str] = Waiting(2)
    assert waiting.add(1, "a", talk) is None
    assert waiting.add(2, "b", talk) is None
    assert waiting.add(3, "c", talk) == ("a", 0, 0)
    assert waiting.add(2, "d", talk) == ("b", 0, 0)
    assert [row for row, _, _ in waiting.drain()] == ["c", "d"]
    assert waiting.take(3) is None


def test_names_are_taught_once() -> None:
    sink, talk = conversation()
    parser = RowParser(talk)
    for i in range(1000):
        parser.learn_name("192.0.2.9", f"n{i % 500}", "test")
    assert len(sink.names) == MAX_NAMES
