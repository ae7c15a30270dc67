"""The models that memory.py and step_time.py measure: architectures of transformers with random weights in bfloat16; and what
their command lines share."""

import argparse
import copy
import dataclasses
import itertools
import json
import typing

import torch
from torch import nn
from torch._functorch import config as functorch_config
from torch._inductor.compile_fx import compile_fx

BUDGET = 0.8


@dataclasses.dataclass
class Model:
    """make() builds it; batch(n, device) are the arguments of a forward of n samples, whose result has a loss."""
    name: str
    samples: int
    make: typing.Callable
    batch: typing.Callable


def _tokens(length, vocabulary):
    def batch(n, device):
        tokens = torch.randint(1, vocabulary, (n, length), device=device, generator=torch.Generator(device).manual_seed(1))
        return {"input_ids": tokens, "labels": tokens}

    return batch


def _sentences(length, vocabulary, classes):
    def batch(n, device):
        generator = torch.Generator(device).manual_seed(1)
        return {"input_ids": torch.randint(1, vocabulary, (n, length), device=device, generator=generator),
                "labels": torch.randint(0, classes, (n,), device=device, generator=generator)}

    return batch


def _values(*shape, name, classes):
    def batch(n, device):
        generator = torch.Generator(device).manual_seed(1)
        return {name: torch.randn(n, *shape, device=device, generator=generator).bfloat16(),
                "labels": torch.randint(0, classes, (n,), device=device, generator=generator)}

    return batch


def _clip_batch(n, device):
    generator = torch.Generator(device).manual_seed(1)
    tokens = torch.randint(1, 49000, (n, 77), device=device, generator=generator)
    tokens[:, -1] = 49407  # where the text's end is looked for
    return {"input_ids": tokens, "return_loss": True,
            "pixel_values": torch.randn(n, 3, 224, 224, device=device, generator=generator).bfloat16()}


def models(layers):
    """All of them; layers: of the two language models."""
    import transformers as t

    large = dict(hidden_size=4096, intermediate_size=14336, num_attention_heads=32, num_key_value_heads=8,
                 num_hidden_layers=layers, use_cache=False)
    return [
        Model("BERT-base", 32, lambda: t.BertForSequenceClassification(t.BertConfig(num_labels=2)), _sentences(512, 30000, 2)),
        Model("ViT-B/16", 64, lambda: t.ViTForImageClassification(t.ViTConfig(num_labels=1000)),
              _values(3, 224, 224, name="pixel_values", classes=1000)),
        Model("CLIP ViT-B/32", 512, lambda: t.CLIPModel(t.CLIPConfig()), _clip_batch),
        Model("Audio Spectrogram Transformer", 16, lambda: t.ASTForAudioClassification(t.ASTConfig(num_labels=527)),
              _values(1024, 128, name="input_values", classes=527)),
        Model(f"Llama-3.1-8B, {large['num_hidden_layers']} layers", 8,
              lambda: t.LlamaForCausalLM(t.LlamaConfig(**large, vocab_size=128256, rope_theta=500000.0,
                                                       max_position_embeddings=8192)), _tokens(512, 128000)),
        Model(f"Mistral-7B, {large['num_hidden_layers']} layers", 8,
              lambda: t.MistralForCausalLM(t.MistralConfig(**large, vocab_size=32000, sliding_window=None,
                                                           max_position_embeddings=8192)), _tokens(512, 32000)),
    ]


def parser(description, layers):
    """The options of both programs."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json")
    made.add_argument("--models", help="names, or beginnings of them")
    made.add_argument("--layers", type=int, default=layers, help="of the Llama and Mistral stacks")
    return made


def run(options, measure, line):
    """Measures every chosen model and prints a line of its row; the exit status."""
    try:
        import transformers  # noqa: F401
    except ImportError:
        print("skipped: no transformers")
        return 77
    if not torch.cuda.is_available():
        print("skipped: no GPU")
        return 77
    rows = []
    for entry in models(options.layers):
        if options.models is None or entry.name.startswith(tuple(options.models.split(","))):
            torch._dynamo.reset()
            torch._dynamo.config.recompile_limit = 100
            rows.append(measure(entry, options))
            torch.cuda.empty_cache()
            print(f"{entry.name}: {line(rows[-1])}", flush=True)
            if options.json:
                with open(options.json, "w") as file:
                    json.dump({"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "rows": rows}, file, indent=1)
    return 0


def shared(model):
    """A copy of the model that has its parameters and buffers, not copies of them."""
    return copy.deepcopy(model, {id(tensor): tensor for tensor in itertools.chain(model.parameters(), model.buffers())})


def within_budget(graph, inputs):
    """torch.compile's own backend with a budget of memory. A backend of its own, as one layer's code is compiled once for each."""
    with functorch_config.patch(activation_memory_budget=BUDGET):
        return compile_fx(graph, inputs)


def compile_layers(model, backend="inductor"):
    """torch.compile of every layer of a stack, in place, and the model. As a whole the encoders would be handed a mask, which
    transformers leaves out where nothing is traced, and lose the fused attention to it: that takes 1.5 to 3.4 times as long."""
    for stack in model.modules():
        if isinstance(stack, nn.ModuleList):
            for layer in stack:
                layer.compile(dynamic=False, backend=backend)
    return model


def build(model, device, dtype=torch.bfloat16):
    torch.manual_seed(0)
    with torch.device(device):
        return model.make().to(dtype).train()
