"""`maieutic plan`: what will run where, in a terminal or as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..config import RunConfig
from ..curriculum.pairs import builders_of
from ..curriculum.policies import policy_of
from ..errors import MaieuticError, printable
from ..serving.hardware import GIB, Hardware, found, imagined
from ..serving.planned import Plan, ServerPlan, TrainingPlan, gib
from ..trainers.estimates import plan_of
from ..trainers.objectives import check_objective

_MEANWHILE = {
    "stay": "servers stay up while it trains",
    "sleep": "servers sleep while it trains",
    "stop": "servers stop while it trains",
}
_NAME = 34
"""Characters of a model's name; a path shows its end."""


def planned(config: RunConfig, gpus: str | None, ram: float | None, tokens_per_second: float) -> Plan:
    """A plan for this machine, or for what `--gpus` imagines.

    Raises:
        ConfigError: that text is no hardware, a model's size cannot be found out, or a run would refuse
            the policy, a pair builder or the objective.
    """
    policy_of(config)
    builders_of(config)
    if gpus is None:  # it looks at the GPUs that are here
        check_objective(config)
    hardware = found() if gpus is None else imagined(gpus, ram)
    if gpus is None and ram is not None:
        hardware = hardware.model_copy(update={"ram": int(ram * GIB), "imagined": True})
    return plan_of(config, hardware, tokens_per_second)


def show(console: Console, plan: Plan) -> None:
    """Print a plan whole; it fits 80 columns."""
    console.print(Text(f"hardware   {_hardware(plan.hardware)}"), soft_wrap=True)
    if plan.servers:
        console.print(_servers(plan))
    if plan.training:
        console.print(_training(plan))
    for title, text in _figures(plan):
        console.print(Text(f"{title:11}{text}"), soft_wrap=True)
    for problem in plan.problems:
        console.print(Text(f"no room    {printable(problem)}", style="bold"), soft_wrap=True)
    for note in plan.notes:
        console.print(Text(f"note       {printable(note)}"), soft_wrap=True)


def brief(config: RunConfig) -> str:
    """A plan for this machine in a few lines: what a run begins with.

    It stops nothing: an estimate that is wrong must not, and what cannot be known is said.
    """
    try:
        plan = plan_of(config, found())
    except MaieuticError as error:
        return f"plan: none ({printable(str(error))})"
    lines = [f"plan: {_hardware(plan.hardware)}"]
    lines += [
        f"  serve {_short(server.model)} for {', '.join(server.roles)} on {_places(server, ', ')}, "
        f"{gib(server.share)} GiB each"
        for server in plan.servers
    ]
    lines += [
        f"  train {job.role} ({job.method}) on {_device(job.gpus)}, {gib(job.bytes.total)} GiB"
        for job in plan.training
    ]
    if plan.training:
        lines.append(f"  {_MEANWHILE[plan.while_training]}; {gib(plan.disk.run)} GiB of disk")
    lines += [f"  may not fit: {problem}" for problem in plan.problems]
    return printable("\n".join(lines))


def _hardware(hardware: Hardware) -> str:
    gpus = [gpu.total for gpu in hardware.gpus]
    kinds = ", ".join(f"{gpus.count(size)} × {gib(size)} GiB" for size in sorted(set(gpus), reverse=True))
    said = f"GPUs: {kinds}" if gpus else "no GPU, the CPU is used"
    return f"{said}; {gib(hardware.ram)} GiB of host memory" + (" (imagined)" if hardware.imagined else "")


def _servers(plan: Plan) -> Table:
    table = _table("servers, GiB on each GPU" if plan.hardware.gpus else "servers, GiB of host memory")
    for heading in ("model", "roles", "on", "weights", "other", "cache", "sum"):
        table.add_column(heading, justify="right" if heading not in ("model", "roles", "on") else "left")
    for server in plan.servers:
        needed = server.bytes
        table.add_row(
            Text(_short(server.model, 24)),
            "\n".join(server.roles),
            _places(server),
            gib(needed.weights),
            gib(needed.adapters + needed.overhead),
            gib(max(0, server.share - needed.fixed)),
            gib(server.share),
        )
    return table


def _training(plan: Plan) -> Table:
    table = _table(f"training, GiB of one device; {_MEANWHILE[plan.while_training]}")
    for heading in ("job", "on", "weights", "grads", "AdamW", "ref.", "activ.", "other", "sum"):
        table.add_column(heading, justify="left" if heading in ("job", "on") else "right", no_wrap=True)
    for job in plan.training:
        needed = job.bytes
        table.add_row(
            f"{job.role}\n({job.method})",
            _device(job.gpus),
            gib(needed.weights + needed.adapter),
            gib(needed.gradients),
            gib(needed.optimiser),
            gib(needed.reference) if needed.reference else "–",
            gib(needed.activations),
            gib(needed.overhead),
            gib(needed.total),
        )
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)


def _figures(plan: Plan) -> list[tuple[str, str]]:
    said = [("models", _sources(plan.servers))] if plan.servers else []
    said += [
        (role.role, f"{_many(role.prompt)} tokens in, {_many(role.completion)} out")
        for role in plan.work.roles
    ]
    trained = plan.work.solver_trained + plan.work.generator_trained
    sampled = f", {_many(plan.work.solver_sampled)} sampled meanwhile" if plan.work.solver_sampled else ""
    said.append(("trained", f"{_many(trained)} tokens{sampled}"))
    speeds = f"{_many(sum(s.tokens_per_second for s in plan.servers))} tokens/s written"
    if plan.training:
        speeds += f", {_many(_slowest(plan.training))} trained"
    total = plan.hours_serving + plan.hours_training
    said.append(
        ("hours", f"{total:.1f}: serving {plan.hours_serving:.1f}, training {plan.hours_training:.1f}")
    )
    said.append(("assumed", f"{speeds}; every round full; see docs/plan.md"))
    disk = plan.disk
    said.append(
        (
            "disk",
            f"{gib(disk.run)} GiB for the run: checkpoints {gib(disk.checkpoints)}, records "
            f"{gib(disk.records)}; models {gib(disk.models)}",
        )
    )
    price = f"{plan.work.price:,.2f}, at the endpoints' prices" if plan.work.price else "none is named"
    return [*said, ("price", price)]


def _sources(servers: Sequence[ServerPlan]) -> str:
    return "; ".join(
        f"{printable(_short(s.model))} {s.shape.parameters() / 1e9:.3g}B, by {s.shape.source}"
        for s in servers
    )


def _slowest(training: Sequence[TrainingPlan]) -> float:
    return min(job.tokens_per_second for job in training)


def _many(count: float) -> str:
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.1f} {sign}"
    return f"{count:.0f}"


def _places(server: ServerPlan, between: str = "\n") -> str:
    if not any(server.replicas):
        several = f"{len(server.replicas)} × " if len(server.replicas) > 1 else ""
        return f"{several}CPU" if server.share else "–"
    return between.join(_device(gpus) for gpus in server.replicas if gpus)


def _device(gpus: Sequence[int]) -> str:
    return f"GPU {'+'.join(map(str, gpus))}" if gpus else "CPU"


def _short(model: str, width: int = _NAME) -> str:
    text = printable(model.replace("\n", " "))
    return text if len(text) <= width else f"…{text[1 - width :]}"
