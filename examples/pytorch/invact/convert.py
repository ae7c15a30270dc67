"""Swaps the activations of a model, of Hugging Face's transformers, of timm or one's own."""

import dataclasses
import types
import warnings

import torch
from torch import nn
from torch.nn import functional

from invact import modules

# By class name, as neither library has to be there: classes of torch.nn, transformers.activations and timm.layers.
_BY_NAME = {
    "GELUActivation": modules.GELU,
    "NewGELUActivation": lambda packing: modules.GELU("tanh", packing=packing),
    "FastGELUActivation": lambda packing: modules.GELU("tanh", packing=packing),
    "GELUTanh": lambda packing: modules.GELU("tanh", packing=packing),
    "PytorchGELUTanh": lambda packing: modules.GELU("tanh", packing=packing),
    "QuickGELUActivation": modules.QuickGELU,
    "QuickGELU": modules.QuickGELU,
    "SiLUActivation": modules.SiLU,
    "Swish": modules.SiLU,
    "MishActivation": modules.Mish,
}
_LIBRARIES = ("transformers.", "timm.")
_PACKAGES = ("torch.nn.", "transformers.activations", "timm.layers.")
# down_proj(act_fn(gate_proj(x)) * up_proj(x)), and nothing else.
_GATED = {"LlamaMLP", "MistralMLP", "Qwen2MLP", "Qwen3MLP", "GemmaMLP", "Gemma2MLP", "Gemma3MLP", "OlmoMLP", "Olmo2MLP",
          "GraniteMLP", "CohereMLP", "StableLmMLP"}

# Classes whose forward calls the first attribute's linear layer and hands its result to the second's activation, and to nothing
# else.
_AFTER_LINEAR = {
    ("dense", "intermediate_act_fn"): {"BertIntermediate", "RobertaIntermediate", "XLMRobertaIntermediate",
                                       "CamembertIntermediate", "ElectraIntermediate", "DebertaV2Intermediate"},
    ("fc1", "activation_fn"): {"ViTMLP", "ViTMAEMLP", "DeiTMLP", "ASTMLP", "CLIPMLP", "SiglipMLP", "Siglip2MLP", "SwinMLP",
                               "PhiMLP"},
    ("fc1", "activation"): {"Dinov2MLP"},
    ("fc1", "act"): {"Mlp"},
}


@dataclasses.dataclass
class Report:
    """What convert() did: names of modules, with what was there and what is."""
    swapped: list = dataclasses.field(default_factory=list)
    warnings: list = dataclasses.field(default_factory=list)

    def __str__(self):
        counts = {}
        for _, old, new in self.swapped:
            counts[old, new] = counts.get((old, new), 0) + 1
        lines = [f"{count} x {old} -> {new}" for (old, new), count in counts.items()] or ["nothing swapped"]
        return "\n".join(lines + [f"warning: {text}" for text in self.warnings])


def _replacement(module, packing):
    """The module for an activation's, or None."""
    kind = type(module)
    if not any(f"{kind.__module__}.".startswith(package) for package in _PACKAGES):
        return None
    if isinstance(module, nn.GELU):
        return modules.GELU(module.approximate, packing=packing)
    if isinstance(module, nn.SiLU):
        return modules.SiLU(packing=packing)
    if isinstance(module, nn.Mish):
        return modules.Mish(packing=packing)
    if kind.__name__ == "GELU":  # timm's
        return modules.GELU(packing=packing)
    make = _BY_NAME.get(kind.__name__)
    return None if make is None else make(packing=packing)


def _dropout_after(parent, name):
    """What drops out between the activation and what reads it, as far as the parent's attributes tell."""
    children = list(parent.named_children())
    index = [child for child, _ in children].index(name)
    following = children[index + 1] if index + 1 < len(children) else (None, None)
    if isinstance(following[1], nn.modules.dropout._DropoutNd) and following[1].p > 0:
        return following[0]
    after = getattr(parent, "activation_dropout", 0)
    p = after.p if isinstance(after, nn.Module) and hasattr(after, "p") else after
    return "activation_dropout" if isinstance(p, (int, float)) and p > 0 else None


def _gated_forward(self, x):
    return self.down_proj(self.invact_gate(self.gate_proj(x), self.up_proj(x)))


def _product_alone(self, x):
    return functional.linear(x, self.weight)


def _linear_before(parent, name):
    """The linear layer whose bias the activation of this name can take over, or None."""
    for (linear, activation), classes in _AFTER_LINEAR.items():
        if activation == name and type(parent).__name__ in classes and type(parent).__module__.startswith(_LIBRARIES):
            layer = getattr(parent, linear, None)
            if type(layer) is nn.Linear and layer.bias is not None and not layer._forward_hooks and "forward" not in vars(layer):
                return layer
    return None


def convert(model, *, packing="bitmask", fuse_bias=False):
    """Swaps, in place, every activation module that has a counterpart here, and in gated MLPs of known classes the product
    too. With fuse_bias also, in MLPs of known classes, the bias of the linear layer before the activation is added, and its
    gradient summed, by the activation's kernels: that saves reading dx again, and rounds the product before the bias is
    added. The parameters stay where they are; wrap such a layer as a whole, not its linear layer alone, where something (FSDP)
    gathers parameters for each wrapped module. Warns where dropout follows in the same module, which keeps a tensor of its own: nothing is saved there (see
    unsaved() for what cannot be seen in the modules). Returns a Report."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"invact.convert: model must be a torch.nn.Module, not {type(model).__name__}")
    report = Report()
    for parent_name, parent in list(model.named_modules()):
        for name, child in list(parent.named_children()):
            new = _replacement(child, packing)
            if new is None:
                continue
            full = f"{parent_name}.{name}" if parent_name else name
            old = type(child).__name__
            gate = {modules.SiLU: modules.SwiGLU, modules.GELU: modules.GeGLU}.get(type(new))
            if name == "act_fn" and type(parent).__name__ in _GATED and gate is not None:
                approximate = (new.approximate,) if isinstance(new, modules.GELU) else ()
                parent.invact_gate = gate(*approximate, packing=packing)
                parent.forward = types.MethodType(_gated_forward, parent)
                report.swapped.append((parent_name or type(parent).__name__, type(parent).__name__, gate.__name__))
                continue
            linear = _linear_before(parent, name) if fuse_bias else None
            if linear is not None:
                linear.forward = types.MethodType(_product_alone, linear)
                new.linear = (linear,)  # not a child of the activation
            setattr(parent, name, new)
            report.swapped.append((full, old, type(new).__name__ + (" with bias" if linear is not None else "")))
            dropout = _dropout_after(parent, name)
            if dropout is not None:
                report.warnings.append(f"{full}: {dropout} follows, whose result the next layer keeps in place of this one's: "
                                       "nothing is saved")
    for text in report.warnings:
        warnings.warn(f"invact.convert: {text}", stacklevel=2)
    return report


def unsaved(model, *arguments, **keywords):
    """Names of the swapped modules whose result nobody else keeps for its backward, where nothing is therefore saved: after
    dropout, a cast, a rescale or a quantisation. Runs model(*arguments, **keywords) once, with gradients."""
    results, keepers, hooks = {}, {}, []

    def pack(tensor):
        if tensor.numel():
            keepers[tensor.untyped_storage().data_ptr()] = keepers.get(tensor.untyped_storage().data_ptr(), 0) + 1
        return tensor

    for name, module in model.named_modules():
        if isinstance(module, modules._Packed):
            hooks.append(module.register_forward_hook(
                lambda module, inputs, output, name=name: results.update({name: output})))
    try:
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            kept = model(*arguments, **keywords)  # noqa: F841: the graph, so that no storage is used twice
    finally:
        for hook in hooks:
            hook.remove()
    return [name for name, y in results.items() if keepers.get(y.untyped_storage().data_ptr(), 0) < 2]
