"""How well the simulation predicts measured runs, and what it says of papers/001's figures 4 and 5."""

import asyncio
from collections.abc import Iterator

from services.bench.pipeline_calibration import Samples, calibrate
from services.bench.pipeline_pictures import pack_synthetic
from services.bench.pipeline_runs import running
from services.bench.pipeline_subject import PAPERS, Figures, PipelineSubject
from services.edge.cpu_share import thread_count
from services.edge.receipts import AWS_LAMBDA
from services.pipeline.places import AWS, SERVERLESS_CPUS
from services.pipeline.profile import ChainProfile
from services.pipeline.simulation import Batch, Place, simulate

CALIBRATED_WITH = 128
"""Pictures of the larger records that the profile comes from; the smaller have 16."""
CONFIGURATIONS = [(workers, per_record) for per_record in (24, 48, 96, 192) for workers in (1, 2, 4)]
"""None of them was used to calibrate."""
_PICTURES = 768
PAPERS_RECORDS = 20
PAPERS_SIZES = (100, 500, 1000)
PAPERS_PICTURES = 100_000
PAPERS_WORKERS = tuple(2**power for power in range(11))


def simulation(subject: PipelineSubject) -> Iterator[Figures]:
    """Calibrate, run what was not used to calibrate, and compare; then what was not run."""
    folders = {"stages": subject.stages(PAPERS), "whole": subject.whole(PAPERS)}
    scratch = subject.scratch / "simulation"
    samples = Samples(large=32 if subject.quick else CALIBRATED_WITH)
    profile = asyncio.run(calibrate(folders["stages"], scratch / "stages", subject.progress, samples))
    yield {f"profile.{key}": value for key, value in _profile_figures(profile).items()}
    errors = {}
    for configuration, error in asyncio.run(_errors(subject, profile)).items():
        errors[f"sim_error.{configuration}"] = error
    yield {"sim_error": max(errors.values()), **errors}
    whole = asyncio.run(calibrate(folders["whole"], scratch / "whole", subject.progress, samples))
    yield figure_4(profile, whole)
    yield figure_5(profile)


async def _errors(subject: PipelineSubject, profile: ChainProfile) -> dict[str, float]:
    """Each configuration's time as predicted over as measured, as the distance from 1."""
    errors = {}
    async with running(subject.stages(PAPERS), subject.scratch / "prediction") as runner:
        await runner.warm_up()
        for workers, per_record in CONFIGURATIONS:
            pictures = 2 * per_record if subject.quick else _PICTURES
            batch = Batch(pictures, per_record, workers)
            name = f"{workers}-workers.{per_record}-pictures"
            subject.progress(f"simulation: {name}")
            records = runner.store(f"records-{per_record}")
            if not await records.keys():
                await pack_synthetic(records, pictures, per_record)
            measured = await runner.run(records, workers)
            expected = simulate(profile, batch, Place(thread_count()), AWS_LAMBDA)
            errors[name] = abs(expected.time_s / measured.time_s - 1)
    return errors


def figure_4(profile: ChainProfile, whole: ChainProfile) -> Figures:
    """20 records at once, an instance each, beside one always-on machine that has the whole model and as many CPUs."""
    found = {}
    for per_record in PAPERS_SIZES:
        pictures = PAPERS_RECORDS * per_record
        place = Place(SERVERLESS_CPUS, scales=True, store=AWS)
        found[f"figure_4.pipeline_s.{per_record}"] = simulate(
            profile, Batch(pictures, per_record, PAPERS_RECORDS), place, AWS_LAMBDA
        ).time_s
        machine = Batch(pictures, per_record, whole.cpus)
        found[f"figure_4.machine_s.{per_record}"] = simulate(whole, machine, Place(whole.cpus), AWS_LAMBDA).time_s
    return found


def figure_5(profile: ChainProfile) -> Figures:
    """Time and money for 100 000 pictures in records of 1000, by the number of workers."""
    found = {}
    for workers in PAPERS_WORKERS:
        batch = Batch(PAPERS_PICTURES, PAPERS_SIZES[-1], workers)
        expected = simulate(profile, batch, Place(SERVERLESS_CPUS, scales=True, store=AWS), AWS_LAMBDA)
        found[f"figure_5.time_s.{workers}"] = expected.time_s
        found[f"figure_5.money.{workers}"] = expected.money
    return found


def _profile_figures(profile: ChainProfile) -> Figures:
    found = {"driver_s": profile.driver_s, "slowdown": profile.slowdown}
    for stage in profile.stages:
        for what in ("record_s", "picture_s", "start_s", "first_s"):
            found[f"{what}.{stage.name}"] = getattr(stage, what)
    return found
