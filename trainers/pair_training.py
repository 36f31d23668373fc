"""TRL's DPO trainer where it cannot do what is asked: weights and smoothing of each pair, two betas, no
reference.

Source: conservative DPO with a smoothing for each pair after MCTS-DPO, arXiv 2405.00451; two betas are
Flex-DPO's, 3D-Properties, arXiv 2406.07327. Differs: where a smoothing comes from is the pair's affair.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from trl import DPOTrainer
from trl.models.utils import disable_gradient_checkpointing
from trl.trainer.utils import use_adapter

from .columns import Columns
from .conversations import ConversationDPO
from .pair_losses import Pairs

Batch = dict[str, Any]
Loss = Callable[[Pairs, Tensor], Tensor]
"""Of a batch and the weights of its pairs."""


class PairTrainer(Columns, DPOTrainer):  # type: ignore[misc]
    """DPOTrainer with a loss of ours and columns of each pair.

    Args:
        loss: what is minimised.
        betas: of the chosen and of the rejected side.
        smoothing: the least of a pair.
        reference: whether the loss looks at one.
    """

    carried: ClassVar[dict[str, float]] = {"weight": 1.0, "smoothing": 0.0}

    def __init__(
        self,
        *args: Any,
        loss: Loss,
        betas: tuple[float, float] = (1.0, 1.0),
        smoothing: float = 0.0,
        reference: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.loss, self.betas, self.smoothing, self.reference = loss, betas, smoothing, reference
        if not reference:
            self.ref_model = None

    def _compute_loss(self, model: Any, inputs: Batch, return_outputs: bool) -> Any:
        weight, smoothing = inputs.pop("weight"), inputs.pop("smoothing")
        outputs, logps = self._scored(model, inputs)
        reference = self._reference(inputs) if self.reference else torch.zeros_like(logps.detach())
        chosen, rejected = logps.chunk(2)
        ref_chosen, ref_rejected = reference.chunk(2)
        tokens = inputs["completion_mask"][:, 1:].sum(1).clamp(min=1)
        chosen_tokens, rejected_tokens = tokens.chunk(2)
        pairs = Pairs(
            chosen, rejected, ref_chosen, ref_rejected, chosen_tokens, rejected_tokens,
            smoothing.clamp(min=self.smoothing, max=_MOST), *self.betas,
        )  # fmt: skip
        loss = self.loss(pairs, weight)
        self._note(pairs, outputs.entropy, inputs["completion_mask"][:, 1:])
        return (loss, outputs) if return_outputs else loss

    def _scored(self, model: Any, inputs: Batch) -> tuple[Any, Tensor]:
        """Outputs, and the log-probability of each completion: (2 × pairs,), the chosen first."""
        mask = inputs["completion_mask"]
        labels = inputs["input_ids"].masked_fill(mask == 0, -100)
        given = {name: value for name, value in inputs.items() if name not in _NOT_THE_MODELS}
        outputs = model(**given, labels=labels, use_cache=False, fused_lm_head=True)
        return outputs, outputs.log_probs[:, 1 - mask.shape[1] :].sum(1)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _reference(self, inputs: Batch) -> Tensor:
        with disable_gradient_checkpointing(self.model, self.args.gradient_checkpointing_kwargs):
            if self.ref_model is not None:
                return self._scored(self.ref_model, inputs)[1]
            adapted = self.accelerator.unwrap_model(self.model)
            with use_adapter(adapted, adapter_name="ref" if "ref" in adapted.peft_config else None):
                return self._scored(self.model, inputs)[1]

    def _note(self, pairs: Pairs, entropy: Tensor, mask: Tensor) -> None:
        """The figures that TRL's own trainer logs, by the same names."""
        chosen, rejected = (gain.detach() for gain in pairs.gained)
        noted = {
            "rewards/chosen": self.betas[0] * chosen,
            "rewards/rejected": self.betas[1] * rejected,
            "rewards/margins": pairs.z.detach(),
            "rewards/accuracies": (pairs.z.detach() > 0).float(),
            "logps/chosen": pairs.chosen.detach(),
            "logps/rejected": pairs.rejected.detach(),
            "entropy": (entropy[:, -mask.shape[1] :].detach() * mask).sum() / mask.sum().clamp(min=1),
        }
        for name, value in noted.items():
            self._metrics["train"][name].append(value.mean().item())


class ConversationPairs(PairTrainer, ConversationDPO):
    """The same on whole conversations."""


_MOST = 0.49
"""Of a smoothing: at ½ a pair says nothing, and rDPO's loss has no bound."""

_NOT_THE_MODELS = {"completion_mask", "ref_chosen_logps", "ref_rejected_logps"}
