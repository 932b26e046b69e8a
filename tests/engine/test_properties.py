"""The engine against a slow reference, against itself with other batch borders, and compiled against uncompiled."""

import pickle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.engine.agreement import Answer, ask_engine, ask_reference, differences
from tests.engine.tcp_scripts import ACTIONS, COMMON, ISNS, LONG_WAITS, WAITS, Step, capture, random_capture
from tests.support.effort import examples
from tests.support.packets import SECOND, Captured
from tests.support.uncompiled import RUNS_PURE, PureTree

QUICK = settings(
    max_examples=examples(250) if not RUNS_PURE else 40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
DEEP = settings(QUICK, max_examples=20_000, phases=(Phase.explicit, Phase.generate, Phase.shrink))

waits = st.one_of(
    st.sampled_from(WAITS), st.sampled_from(WAITS), st.sampled_from(LONG_WAITS).map(lambda wait: wait * SECOND)
)
steps = st.builds(
    Step,
    talk=st.integers(0, 7),
    client=st.booleans(),
    action=st.one_of(st.sampled_from(COMMON), st.sampled_from(ACTIONS)),
    amount=st.integers(1, 60),
    wait=waits,
)
captures = st.builds(capture, st.lists(steps, min_size=1, max_size=30), st.sampled_from(ISNS))
one_talk = st.integers(0, 3).flatmap(
    lambda talk: st.builds(
        capture,
        st.lists(
            st.builds(
                Step,
                talk=st.just(talk),
                client=st.booleans(),
                action=st.sampled_from(ACTIONS),
                amount=st.integers(1, 60),
                wait=st.sampled_from(WAITS),
            ),
            min_size=3,
            max_size=30,
        ),
        st.sampled_from(ISNS),
    )
)


def agree(packets: list[Captured]) -> None:
    """Engine and reference say the same of a capture."""
    engine, reference = ask_engine(packets), ask_reference(packets)
    assert differences(engine[0], reference[0]) == []
    assert engine[1:] == reference[1:]


@QUICK
@given(captures)
def test_engine_is_the_reference(packets: list[Captured]) -> None:
    agree(packets)


@QUICK
@given(one_talk)
def test_engine_is_the_reference_for_one_conversation(packets: list[Captured]) -> None:
    agree(packets)


@QUICK
@given(captures, st.lists(st.integers(1, 30), max_size=6))
def test_batch_borders_do_not_matter(packets: list[Captured], borders: list[int]) -> None:
    assert ask_engine(packets, borders) == ask_engine(packets)


@QUICK
@given(captures)
def test_single_packets_do_not_matter(packets: list[Captured]) -> None:
    assert ask_engine(packets, range(len(packets))) == ask_engine(packets)


@pytest.mark.parametrize("seed", range(20))
def test_long_captures_are_the_reference(seed: int) -> None:
    """Long enough for logarithmic history letters, and several idle gaps; under 32 holes in a direction each."""
    agree(random_capture(seed, 120))


@pytest.mark.skipif(RUNS_PURE, reason="compares with the compiled engine")
def test_compiled_and_uncompiled_are_the_same(pure_tree: PureTree, tmp_path: Path) -> None:
    questions = [(random_capture(seed, 60), [7, 20, 21]) for seed in range(10_000, 10_150)]
    ask, answer = tmp_path / "questions", tmp_path / "answers"
    ask.write_bytes(pickle.dumps(questions))
    pure_tree.copy_tests("engine")
    done = pure_tree.run("-m", "tests.engine.agreement", str(ask), str(answer), timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[Answer] = pickle.loads(answer.read_bytes())
    for (packets, borders), uncompiled in zip(questions, answers, strict=True):
        assert ask_engine(packets, borders) == uncompiled


@pytest.mark.slow
@DEEP
@given(captures, st.lists(st.integers(1, 30), max_size=6))
def test_deep(packets: list[Captured], borders: list[int]) -> None:
    agree(packets)
    assert ask_engine(packets, borders) == ask_engine(packets)
