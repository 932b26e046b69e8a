"""`rustnet.tui.clock` and `rustnet.tui.following`: time without waiting for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.tui.clock import SPEEDS, TICKS_PER_SECOND, PlayClock, Source, advanced
from rustnet.tui.following import BLURRED_SECONDS, LONGEST_SECONDS, SHARE, Following

SECOND = 10**9
FIRST, HEAD = 1_000 * SECOND, 4_600 * SECOND


class Hands:
    """A clock that goes on only when it is set."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def saved(hands: Hands) -> PlayClock:
    clock = PlayClock(hands)
    clock.extend(FIRST, HEAD, Source.SAVED)
    return clock


@pytest.fixture
def replay(hands: Hands) -> PlayClock:
    clock = PlayClock(hands)
    clock.extend(FIRST, FIRST + 60 * SECOND, Source.REPLAY)
    return clock


def shown(clock: PlayClock) -> int | None:
    return clock.position


def test_without_packets_nothing_moves(hands: Hands) -> None:
    clock = PlayClock(hands)
    clock.play()
    clock.toggle()
    clock.go_to(5)
    hands.time = 10
    assert not clock.tick()
    assert (clock.at, clock.position, clock.playing, clock.behind) == (None, None, False, 0)


def test_a_saved_session_begins_at_its_end_and_plays_from_its_beginning(saved: PlayClock, hands: Hands) -> None:
    assert (saved.position, saved.at, saved.following) == (None, HEAD, False)
    saved.toggle()
    assert (saved.position, saved.playing, saved.speed) == (FIRST, True, 1.0)
    hands.time = 2.5
    assert saved.tick()
    assert saved.position == FIRST + 5 * SECOND // 2
    saved.toggle()
    hands.time = 100
    assert not saved.tick()
    assert (saved.position, saved.playing) == (FIRST + 5 * SECOND // 2, False)
    saved.play()
    hands.time = 101
    assert saved.tick()
    assert saved.position == FIRST + 7 * SECOND // 2, "the pause does not count"


def test_it_ends_at_the_end(saved: PlayClock, hands: Hands) -> None:
    saved.go_to(HEAD - SECOND)
    saved.play()
    hands.time = 0.5
    assert saved.tick()
    assert saved.position == HEAD - SECOND // 2
    hands.time = 1.0
    assert saved.tick()
    assert not saved.playing
    assert saved.at == HEAD
    assert shown(saved) is None
    hands.time = 2.0
    assert not saved.tick()


def test_speeds(saved: PlayClock, hands: Hands) -> None:
    saved.go_to(FIRST)
    saved.play()
    saved.change_speed(2)
    assert saved.speed == 5
    hands.time = 1
    saved.tick()
    assert saved.position == FIRST + 5 * SECOND
    saved.change_speed(-3)
    assert saved.speed == 0.5
    hands.time = 3
    saved.tick()
    assert saved.position == FIRST + 6 * SECOND
    for by, end in ((-1, SPEEDS[0]), (1, SPEEDS[-1])):
        for _ in range(100):
            saved.change_speed(by)
        assert saved.speed == end
    assert sorted(SPEEDS) == list(SPEEDS)


def test_a_short_session_begins_slower(hands: Hands) -> None:
    for length, speed in ((0, SPEEDS[0]), (SECOND, 0.05), (20 * SECOND, 1.0), (10**18, 1.0)):
        clock = PlayClock(hands)
        clock.extend(FIRST, FIRST + length, Source.SAVED)
        assert clock.speed == speed, length
        clock.change_speed(1)
        changed = clock.speed
        clock.extend(FIRST, FIRST + length, Source.SAVED)
        assert clock.speed == changed, "only once"


def test_a_step_is_a_second_of_playing(saved: PlayClock) -> None:
    saved.change_speed(1)
    assert saved.step == 2 * SECOND
    for _ in range(100):
        saved.change_speed(-1)
    assert saved.step == 10**6


def test_times_outside_are_kept_within_the_session(saved: PlayClock) -> None:
    saved.go_to(0)
    assert saved.position == FIRST
    saved.go_to(HEAD + 5)
    assert saved.position == HEAD
    saved.go_to(None)
    assert saved.position is None


def test_a_busy_screen_drops_ticks_without_losing_time(saved: PlayClock, hands: Hands) -> None:
    saved.play()
    for tick in range(1, 41):
        hands.time = tick / TICKS_PER_SECOND
        moved = saved.tick(busy=tick % 8 != 0)
        assert moved == (tick % 8 == 0)
    assert saved.position == FIRST + 10 * SECOND
    assert saved.dropped == 35
    assert saved.rate == pytest.approx(0.5)
    saved.pause()
    assert saved.rate is None


def test_gaps_are_left_out_while_playing(saved: PlayClock, hands: Hands) -> None:
    gaps = ((FIRST + 10 * SECOND, FIRST + 1000 * SECOND), (FIRST + 1001 * SECOND, FIRST + 2000 * SECOND))
    saved.extend(FIRST, HEAD, Source.SAVED, gaps)
    saved.go_to(FIRST + 9 * SECOND)
    saved.play()
    for seconds, there in ((0.5, 9.5), (1.5, 1000.5), (2.5, 2000.5)):
        hands.time = seconds
        saved.tick()
        assert saved.position == FIRST + round(there * SECOND)
    saved.go_to(FIRST + 500 * SECOND)
    hands.time = 3.5
    saved.tick()
    assert saved.position == FIRST + 2000 * SECOND, "from within a gap to its end, and on"


def test_time_under_a_dialog_does_not_count(saved: PlayClock, hands: Hands) -> None:
    saved.play()
    hands.time = 50
    saved.hold()
    hands.time = 51
    saved.tick()
    assert saved.position == FIRST + SECOND


def test_a_replay_is_followed(replay: PlayClock) -> None:
    assert replay.following
    assert replay.at == FIRST + 60 * SECOND
    replay.extend(FIRST, FIRST + 70 * SECOND, Source.REPLAY)
    assert (replay.at, replay.behind, replay.position) == (FIRST + 70 * SECOND, 0, None)
    replay.play()
    assert not replay.playing, "it plays already"


def test_a_replay_is_paused_while_it_goes_on(replay: PlayClock, hands: Hands) -> None:
    replay.toggle()
    assert (replay.position, replay.following, replay.behind) == (FIRST + 60 * SECOND, False, 0)
    replay.extend(FIRST, FIRST + 90 * SECOND, Source.REPLAY)
    assert replay.behind == 30 * SECOND
    replay.toggle()
    hands.time = 10
    assert replay.tick()
    assert (replay.position, replay.behind) == (FIRST + 70 * SECOND, 20 * SECOND)
    replay.go_to(None)
    assert replay.following


def test_playing_up_to_the_head_follows_again(replay: PlayClock, hands: Hands) -> None:
    replay.go_to(FIRST + 58 * SECOND)
    replay.play()
    hands.time = 5
    assert replay.tick()
    assert replay.following
    assert not replay.playing


def test_a_replay_that_ends_is_a_saved_session(replay: PlayClock) -> None:
    replay.toggle()
    replay.extend(FIRST, FIRST + 95 * SECOND, Source.SAVED)
    assert (replay.position, replay.following, replay.written) == (FIRST + 60 * SECOND, False, False)
    assert replay.behind == 35 * SECOND
    replay.go_to(None)
    assert not replay.following


def test_a_position_outside_a_new_span_is_moved_into_it(saved: PlayClock) -> None:
    saved.go_to(HEAD)
    saved.extend(FIRST, FIRST + SECOND, Source.SAVED)
    assert saved.position == FIRST + SECOND
    saved.extend(None, None, Source.SAVED)
    assert saved.position is None


gap_lists = st.lists(st.integers(0, 10**6), max_size=12, unique=True).map(
    lambda edges: list(zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False))
)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), gap_lists)
def test_moving_on_is_monotonic_and_additive(ns: int, one: int, two: int, gaps: list[tuple[int, int]]) -> None:
    def active(start: int, end: int) -> int:
        """Time between two times outside the gaps."""
        return (end - start) - sum(max(0, min(end, b) - max(start, a)) for a, b in gaps)

    there = advanced(ns, one, gaps)
    assert there >= ns + one or not one
    assert active(ns, there) == one
    assert advanced(there, two, gaps) == advanced(ns, one + two, gaps)
    assert not any(a < there < b for a, b in gaps) or not one


def test_questions_are_asked_once_a_second_at_most(hands: Hands) -> None:
    following = Following(hands)
    assert following.due()
    following.asked()
    assert following.waiting
    assert not following.due(), "an answer is awaited"
    hands.time = 0.01
    following.answered(0.01)
    asked = []
    for tick in range(100):
        hands.time = tick / 10
        if following.due():
            asked.append(hands.time)
            following.asked()
            following.answered(0.001)
    assert 8 <= len(asked) <= 10


def test_slow_answers_make_questions_rare(hands: Hands) -> None:
    following = Following(hands)
    following.asked()
    hands.time = 0.5
    following.answered(0.4)
    hands.time = 0.5 + 0.4 / SHARE - 0.01
    assert not following.due()
    hands.time = 0.5 + 0.4 / SHARE + 0.01
    assert following.due()
    following.asked()
    following.answered(10_000)
    hands.time += LONGEST_SECONDS + 0.01
    assert following.due()


def test_without_focus_questions_are_rarer(hands: Hands) -> None:
    following = Following(hands)
    following.blurred = True
    following.asked()
    following.answered()
    hands.time = BLURRED_SECONDS - 0.01
    assert not following.due()
    hands.time = BLURRED_SECONDS + 0.01
    assert following.due()
