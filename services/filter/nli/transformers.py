"""An NLI model by transformers and torch: a folder, or an id on the model hub."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from services.filter.nli.checkpoint import Checkpoint, read
from services.filter.nli.cross_encoder import Logits
from stillhouse.errors import FailedPrecondition


def open_model(model: str, index: int | None, threads: int) -> tuple[Logits, Tokenizer, Checkpoint]:
    """The model `model`, float32; FailedPrecondition if it can't be loaded or has no fast
    tokenizer.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(model, use_fast=True)
        network = AutoModelForSequenceClassification.from_pretrained(model, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise FailedPrecondition(
            f"STILLHOUSE_NLI_MODEL={model} can't be loaded as a sequence classifier: {error}"
        ) from None
    if not tokenizer.is_fast:
        raise FailedPrecondition(
            f"STILLHOUSE_NLI_MODEL={model} has no fast tokenizer; give a checkpoint with "
            "tokenizer.json"
        )
    if threads:
        torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device).eval()
    config = network.config.to_dict()
    told = {"model_max_length": tokenizer.model_max_length}
    typed = config.get("type_vocab_size", 0) > 1

    @torch.inference_mode()
    def run(ids: Any, mask: Any, types: Any) -> Any:
        given = {"input_ids": ids, "attention_mask": mask}
        given |= {"token_type_ids": types} if typed else {}
        tensors = {name: torch.from_numpy(array).to(device) for name, array in given.items()}
        return network(**tensors).logits.double().cpu().numpy()

    return run, tokenizer.backend_tokenizer, read(config, told, index)
