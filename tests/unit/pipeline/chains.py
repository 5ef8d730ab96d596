"""Profiles of chains, by hand and by Hypothesis."""

from hypothesis import strategies as st

from services.pipeline.profile import ChainProfile, StageProfile

SECONDS = st.floats(0.0, 3.0)


def stage(
    name: str = "conv",
    record_s: float = 0.1,
    picture_s: float = 0.01,
    start_s: float = 2.0,
    memory_mib: int = 512,
    first_s: float = 0.0,
) -> StageProfile:
    return StageProfile(name, record_s, picture_s, start_s, first_s, memory_mib * 2**20, 1000.0, 2000.0)


def chain(*stages: StageProfile, driver_s: float = 0.0, slowdown: float = 1.0, cpus: int = 2) -> ChainProfile:
    layers = tuple(each.name for each in stages[:-1])
    return ChainProfile("small", "abc", "torch", layers, stages, driver_s, slowdown, cpus, 64)


@st.composite
def chains(draw: st.DrawFn) -> ChainProfile:
    """Any chain of one to four stages."""
    stages = [
        stage(
            str(number),
            draw(SECONDS),
            draw(st.floats(1e-4, 0.1)),
            draw(SECONDS),
            draw(st.integers(1, 3000)),
            draw(SECONDS),
        )
        for number in range(draw(st.integers(1, 4)))
    ]
    return chain(*stages, driver_s=draw(st.floats(0.0, 0.1)), slowdown=draw(st.floats(1.0, 2.0)))
