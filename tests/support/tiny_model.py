"""Tiny randomly initialised models, causal or seq2seq, with a trained tokenizer, in seconds.

Real in every part but its size: a Llama of two layers, a byte-level BPE of a few hundred
tokens, a chat template, saved as `save_pretrained` does.
"""

from __future__ import annotations

import argparse
import heapq
import pydoc
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from services.checkpoints.digest import digest
from stillhouse.generator.types import ModelPointer

CHAT_TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>{% endif %}"
)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE trained on docstrings, with an end token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|end|>", "<|start|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [str(module.__doc__) for module in (argparse, heapq, pydoc)]
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")
    fast.chat_template = CHAT_TEMPLATE
    return fast


def make_tiny_model(folder: Path, seed: int = 0, layers: int = 2) -> ModelPointer:
    """Write the model at `folder`; the same seed gives the same weights."""
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return ModelPointer(str(folder), digest(folder))


def make_tiny_gpt2(folder: Path, seed: int = 0, layers: int = 2) -> ModelPointer:
    """The same with learned positions, tied embeddings and no chat template."""
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = None
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=32,
        n_layer=layers,
        n_head=4,
        n_positions=512,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.3,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return ModelPointer(str(folder), digest(folder))


def make_tiny_seq2seq(folder: Path, kind: str, seed: int = 0, layers: int = 2) -> ModelPointer:
    """An encoder-decoder, `t5` or `bart`; what it reads ends with the end token."""
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    end = tokenizer.convert_tokens_to_ids("<|end|>")
    start = tokenizer.convert_tokens_to_ids("<|start|>")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <|end|>", special_tokens=[("<|end|>", end)]
    )
    tokens: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "pad_token_id": end,
        "eos_token_id": end,
        "bos_token_id": start,
        "decoder_start_token_id": start,
    }
    model: PreTrainedModel
    if kind == "t5":
        config = T5Config(
            d_model=32,
            d_kv=8,
            d_ff=64,
            num_layers=layers,
            num_heads=4,
            initializer_factor=6.0,
            **tokens,
        )
        config.tie_word_embeddings = False
        model = T5ForConditionalGeneration(config)
    else:
        model = BartForConditionalGeneration(
            BartConfig(
                d_model=32,
                encoder_layers=layers,
                decoder_layers=layers,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=64,
                decoder_ffn_dim=64,
                max_position_embeddings=256,
                init_std=0.5,
                forced_eos_token_id=None,
                **tokens,
            )
        )
        model.generation_config.forced_bos_token_id = 5
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return ModelPointer(str(folder), digest(folder))
