"""Columns of a row that a TRL trainer of ours reads beside the text: its weight, how it is smoothed."""

from __future__ import annotations

from typing import Any, ClassVar

import torch


class Columns:
    """Mixin before a TRL trainer: `carried` columns are in its batches, as tensors of (rows,).

    TRL drops what it does not know: its signature is told of them, and its collator never sees them.
    """

    carried: ClassVar[dict[str, float]] = {"weight": 1.0}
    """Each with the value of a row that says none."""
    data_collator: Any
    _signature_columns: list[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        collate = self.data_collator

        def with_columns(examples: list[dict[str, Any]]) -> dict[str, Any]:
            found = {
                name: torch.tensor([float(one.pop(name, default)) for one in examples])
                for name, default in self.carried.items()
            }
            return {**collate(examples), **found}

        self.data_collator = with_columns

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()  # type: ignore[misc]
        self._signature_columns += [name for name in self.carried if name not in self._signature_columns]
