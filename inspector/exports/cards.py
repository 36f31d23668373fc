"""The cards of an export: README.md with the front matter that the hub reads.

What a run says of itself may hold anything: it is escaped for Markdown, and written as YAML by a library.
Paths and addresses of the machine that played it are no reader's business, and left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
import yaml

from ... import __version__
from ...config import ROLES, RunConfig
from ...errors import ConfigError, printable
from .checkpoint import Checkpoint, at_hub, figures_of
from .dataset import Written
from .source import Source

_LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]{0,40}", re.ASCII)
_MARKS = re.compile(r"([\\`*_{}\[\]#!|~$&<>:@])")
_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M",
          10_000_000: "1M<n<10M", 100_000_000: "10M<n<100M"}  # fmt: skip


def escaped(value: object) -> str:
    """A text in one line, in which Markdown and HTML find no mark; to stand within a line."""
    return _MARKS.sub(r"\\\1", " ".join(printable(str(value)).split()))


_environment = jinja2.Environment(  # nosec B701
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    undefined=jinja2.StrictUndefined,
    autoescape=False,  # noqa: S701 - Markdown, escaped by the filter
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_environment.filters["md"] = escaped


def check_licence(licence: str) -> None:
    """
    Raises:
        ConfigError: it is no identifier of the hub's.
    """
    if not _LICENCE.fullmatch(licence):
        raise ConfigError(f"--license {licence[:60]!r}: expected an identifier such as apache-2.0, cc-by-4.0")


def dataset_card(source: Source, written: Written, licence: str, model: Checkpoint | None) -> str:
    """Of the data set."""
    front = {
        "pretty_name": f"Maieutic run {source.name}",
        "license": licence,
        "tags": ["maieutic", "synthetic", "curriculum"],
        "size_categories": [_size(max(written.rows.values()))],
        "configs": [
            {
                "config_name": name,
                **({"default": True} if name == "questions" else {}),
                "data_files": [{"split": "train", "path": f"{name}/*.parquet"}],
            }
            for name, rows in written.rows.items()
            if rows
        ],
    }
    return _card("dataset.md.jinja", front, source, licence, written=written, model=model)


def model_card(source: Source, checkpoint: Checkpoint, licence: str, dataset: str) -> str:
    """Of a checkpoint.

    Args:
        dataset: the data set's name at the hub; empty where it lies beside.
    """
    front: dict[str, Any] = {
        "license": licence,
        "library_name": "peft" if checkpoint.adapter else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["maieutic", source.config.training.objective, "curriculum"],
    }
    if at_hub(checkpoint.model):
        front["base_model"] = checkpoint.model
    if dataset:
        front["datasets"] = [dataset]
    trainings = [
        row
        for batch in source.batches("trainings")
        for row in batch.to_pylist()
        if row["role"] == checkpoint.role and row["round"] <= checkpoint.round
    ]
    return _card(
        "model.md.jinja", front, source, licence, checkpoint=checkpoint, dataset=dataset,
        figures=figures_of(source, checkpoint), trainings=trainings,
        baseline=source.report.baseline if source.report else None,
    )  # fmt: skip


def _card(template: str, front: dict[str, Any], source: Source, licence: str, **more: Any) -> str:
    head = yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
    text = _environment.get_template(template).render(
        name=source.name,
        config=source.config,
        settings=_indented(yaml.safe_dump(told(source.config), sort_keys=False, allow_unicode=True)),
        versions={**(source.report.versions if source.report else {}), "exported by maieutic": __version__},
        rounds=max(source.rounds, default=0),
        notes=source.notes,
        forked=source.forked,
        licence=licence,
        **more,
    )
    return f"---\n{head}---\n\n{text}"


def _size(rows: int) -> str:
    return next((name for limit, name in _SIZES.items() if rows < limit), "100M<n<1B")


def _indented(text: str) -> str:
    """A block of code that no text within can end."""
    return "\n".join(f"    {line}" for line in printable(text).splitlines())


def told(config: RunConfig) -> dict[str, Any]:
    """The configuration as others may read it: of paths the last part, of addresses that there are any."""
    values = config.model_dump()
    for key in ("seeds", "model", "prompts"):
        values[key] = _last(values[key])
    values["heldout"] = [_last(name) for name in values["heldout"]]
    values["checker"] = values["checker"].partition("?")[0]
    for role in ROLES:
        values[role]["model"] = _last(values[role]["model"])
        if config.roles[role].addresses:
            values[role]["endpoint"] = ["(an address)"]
        del values[role]["key"]
    return values


def _last(name: str) -> str:
    """Of a path its last part; names of the hub, of families and of our own are left as they are."""
    path = Path(name)
    return path.name if path.is_absolute() or name.startswith(("./", "../", "~")) else name
