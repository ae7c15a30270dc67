#!/usr/bin/env python3
"""Tests of the Python module, on the CPU and, where there is one, on a GPU.

    PYTHONPATH=examples/pytorch python3 -m unittest -v test_invact

Exit status 77 without PyTorch.
"""

import copy
import math
import os
import sys
import tempfile
import unittest
import warnings
import weakref

try:
    import torch
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)

import torch.distributed
import torch.fx
import torch.multiprocessing
from torch import nn
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional
from torch.testing._internal.two_tensor import TwoTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

import invact

DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
PACKINGS = ("bitmask", "mantissa_bit")
FUNCTIONS = {
    "gelu": (invact.gelu, functional.gelu),
    "gelu_tanh": (lambda x, **k: invact.gelu(x, "tanh", **k), lambda x: functional.gelu(x, approximate="tanh")),
    "silu": (invact.silu, functional.silu),
    "quick_gelu": (invact.quick_gelu, lambda x: x * torch.sigmoid(1.702 * x)),
    "mish": (invact.mish, functional.mish),
}
GATED = {"swiglu": (invact.swiglu, functional.silu), "geglu": (invact.geglu, functional.gelu)}
# An ULP of a result relative to it, and the largest error of f' that the library promises, of all these functions with the
# mantissa bit (README, "How accurate": in 16 bits 1.1 times the floor, which is 0.0204 and 0.0082 at most).
ULP = {torch.bfloat16: 2.0**-7, torch.float16: 2.0**-10, torch.float32: 2.0**-23}
FACTOR = {torch.bfloat16: 0.0225, torch.float16: 0.009, torch.float32: 2e-4}


def inputs(dtype, device, *shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)


def gradients(function, *tensors, dy=None):
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    y = function(*leaves)
    dy = torch.ones_like(y) if dy is None else dy
    return [y.detach(), *torch.autograd.grad(y, leaves, dy)]


def saved_bytes(function, *tensors):
    """Bytes of the storages that the graph of function(*tensors) keeps, each once."""
    storages = {}

    def pack(tensor):
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = function(*tensors)
    del result
    return sum(storages.values())


class Results(unittest.TestCase):
    def each(self):
        for device in DEVICES:
            for dtype in ULP:
                for packing in PACKINGS:
                    with self.subTest(device=device, dtype=dtype, packing=packing):
                        yield device, dtype, packing

    def test_values_and_gradients_are_those_of_float64_to_what_the_stored_bits_tell(self):
        for device, dtype, packing in self.each():
            x = inputs(dtype, device, 4099)
            dy = inputs(dtype, device, 4099, seed=1)
            for name, (ours, reference) in FUNCTIONS.items():
                y, dx = gradients(lambda t: ours(t, packing=packing), x, dy=dy)
                wanted, wanted_dx = gradients(reference, x.double(), dy=dy.double())
                # 1.25 ULP of the result, in float 5; below the smallest normal number a piece costs one of those.
                rounding = (5 if dtype == torch.float32 else 1.25) * ULP[dtype]
                self.assertTrue(((y.double() - wanted).abs() <= rounding * wanted.abs() + 1e-7).all(), name)
                error = (dx.double() - wanted_dx).abs()
                bound = FACTOR[dtype] * dy.double().abs() + ULP[dtype] * wanted_dx.abs() + 1e-7
                self.assertTrue((error <= bound).all(), f"{name}: {(error / bound).max()} of the bound")

    def test_gated_units_are_those_of_float64(self):
        for device, dtype, packing in self.each():
            g, u = inputs(dtype, device, 3, 1001), inputs(dtype, device, 3, 1001, seed=1)
            dh = inputs(dtype, device, 3, 1001, seed=2)
            for name, (ours, f) in GATED.items():
                got = gradients(lambda a, b: ours(a, b, packing=packing), g, u, dy=dh)
                wanted = gradients(lambda a, b: f(a) * b, g.double(), u.double(), dy=dh.double())
                for what, a, b in zip(("h", "dg", "du"), got, wanted):
                    error = ((a.double() - b).norm() / b.norm()).item()
                    self.assertLessEqual(error, 2 * ULP[dtype] if dtype != torch.float32 else 1e-5, f"{name} {what}")

    def test_a_bias_is_added_and_its_gradient_summed(self):
        for device, dtype, packing in self.each():
            for shape in ((5, 3, 40), (7, 13), (300, 264), (1, 8), (0, 6), (9,)):
                x, bias = inputs(dtype, device, *shape), inputs(dtype, device, shape[-1], seed=1)
                dy = inputs(dtype, device, *shape, seed=2)
                for name, (ours, _) in FUNCTIONS.items():
                    y, dx, dbias = gradients(lambda t, b: ours(t, packing=packing, bias=b), x, bias, dy=dy)
                    # In float, where both do the same; else to the rounding of the sum.
                    sum_ = (x.float() + bias.float()).to(dtype)
                    plain, plain_dx = gradients(lambda t: ours(t, packing=packing), sum_, dy=dy)
                    self.assertEqual((y.dtype, dx.dtype, dbias.dtype), (dtype,) * 3)
                    tolerance = dict(rtol=0, atol=0) if dtype == torch.float32 else dict(rtol=4 * ULP[dtype], atol=8 * ULP[dtype])
                    self.assertTrue(torch.allclose(y, plain, **tolerance), name)
                    if dtype == torch.float32:
                        self.assertTrue(torch.equal(dx, plain_dx), name)
                    # dx is rounded before this sum and not before ours.
                    rows = dx.double().reshape(-1, shape[-1])
                    bound = ULP[dtype] * (rows.abs().sum(0) + dbias.double().abs()) + 1e-6
                    self.assertTrue(((dbias.double() - rows.sum(0)).abs() <= bound).all(), name)

    def test_special_values(self):
        for device, dtype, packing in self.each():
            x = torch.tensor([math.inf, -math.inf, math.nan, 0.0, -0.0], device=device, dtype=dtype)
            y, dx = gradients(lambda t: invact.gelu(t, packing=packing), x)
            self.assertEqual(y[0].item(), math.inf)
            self.assertEqual(dx[0].item(), 1)
            self.assertEqual(abs(y[1].item()) < 1e-4, True)
            self.assertLess(abs(dx[1].item()), 1e-2)
            self.assertTrue(math.isnan(y[2].item()) and math.isnan(dx[2].item()))
            self.assertLess(abs(dx[3].item() - 0.5), FACTOR[dtype])

    def test_empty_and_zero_dimensional_tensors(self):
        for device, dtype, packing in self.each():
            y, dx = gradients(lambda t: invact.silu(t, packing=packing), torch.empty(0, 5, device=device, dtype=dtype))
            self.assertEqual(y.shape, (0, 5))
            self.assertEqual(dx.shape, (0, 5))
            y, dx = gradients(lambda t: invact.silu(t, packing=packing), torch.tensor(1.0, device=device, dtype=dtype))
            self.assertEqual(y.shape, ())

    def test_tensors_that_are_not_contiguous(self):
        for device, dtype, packing in self.each():
            x = inputs(dtype, device, 6, 8, 10, 12)
            for make in (lambda t: t.transpose(1, 2), lambda t: t[:, ::2], lambda t: t[..., 1:], lambda t: t.expand(6, 8, 10, 12),
                         lambda t: t.contiguous(memory_format=torch.channels_last)):
                strange, plain = make(x), make(x).contiguous()
                got = gradients(lambda t: invact.gelu(make(t), packing=packing), x, dy=make(x))
                wanted = gradients(lambda t: invact.gelu(make(t).contiguous(), packing=packing), x, dy=plain)
                self.assertTrue(all(torch.equal(a, b) for a, b in zip(got, wanted)))
                h = gradients(lambda t: invact.swiglu(strange, make(t), packing=packing), x)
                wanted = gradients(lambda t: invact.swiglu(plain, make(t).contiguous(), packing=packing), x)
                self.assertTrue(all(torch.equal(a, b) for a, b in zip(h, wanted)))

    def test_a_result_that_is_used_twice(self):
        for device, dtype, packing in self.each():
            x, w = inputs(dtype, device, 33), inputs(dtype, device, 33, seed=1)

            def twice(t):
                y = invact.gelu(t, packing=packing)
                return y * w + y

            once = gradients(lambda t: invact.gelu(t, packing=packing), x, dy=w + 1)
            self.assertTrue(torch.equal(gradients(twice, x)[1], once[1]))

    def test_float64_falls_back_to_saving_the_input(self):
        x = torch.randn(7, dtype=torch.float64, requires_grad=True)
        for ours, reference in FUNCTIONS.values():
            self.assertTrue(torch.equal(ours(x), reference(x)))
            self.assertTrue(torch.autograd.gradcheck(ours, x))
        self.assertTrue(torch.autograd.gradcheck(lambda t, b: invact.gelu(t, bias=b), (x, torch.randn_like(x).requires_grad_())))
        self.assertTrue(torch.autograd.gradcheck(invact.swiglu, (x, torch.randn_like(x).requires_grad_())))


class Memory(unittest.TestCase):
    def test_a_block_keeps_what_is_promised(self):
        n = 64 * 256
        for device in DEVICES:
            x = inputs(torch.bfloat16, device, 64, 256).requires_grad_()
            w = inputs(torch.bfloat16, device, 16, 256).requires_grad_()
            whole = w.untyped_storage().nbytes()  # which the linear layer keeps
            for ours, reference in FUNCTIONS.values():
                for packing, kept in (("bitmask", 2 * n + n // 8), ("mantissa_bit", 2 * n)):
                    got = saved_bytes(lambda t: functional.linear(ours(t + 0, packing=packing), w), x)
                    self.assertEqual(got - whole, kept)
                    b = torch.zeros(256, dtype=torch.bfloat16, device=device, requires_grad=True)
                    got = saved_bytes(lambda t: functional.linear(ours(t + 0, packing=packing, bias=b), w), x)
                    self.assertEqual(got - whole, kept)
            self.assertEqual(saved_bytes(lambda t: functional.linear(functional.gelu(t + 0), w), x) - whole, 4 * n)
            for packing, kept in (("bitmask", 4 * n + n // 8), ("mantissa_bit", 4 * n)):
                got = saved_bytes(lambda t: functional.linear(invact.swiglu(t + 0, t + 1, packing=packing), w), x)
                self.assertEqual(got - whole, kept)


def bias_of(x, u, packing):
    return [t.detach() for t in torch.ops.invact.bias_forward(x, u[0], "gelu", packing)]


class Subclass(torch.Tensor):
    seen = set()

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), keywords=None):
        cls.seen.add(str(function))
        return super().__torch_function__(function, types, arguments, keywords or {})


class Mechanisms(unittest.TestCase):
    def block(self, packing, device):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(16, 64), invact.GELU(packing=packing), nn.Linear(64, 16), invact.SiLU(packing=packing),
                             nn.Linear(16, 4)).to(device)

    def results(self, model, x):
        model.zero_grad()
        y = model(x)
        y.square().sum().backward()
        return [y.detach(), *(p.grad.clone() for p in model.parameters())]

    def assert_same(self, got, wanted, tolerance=0):
        for a, b in zip(got, wanted, strict=True):
            self.assertTrue(torch.allclose(a, b, rtol=tolerance, atol=tolerance), (a - b).abs().max())

    def each(self):
        for device in DEVICES:
            for packing in PACKINGS:
                with self.subTest(device=device, packing=packing):
                    yield device, packing

    def test_operators_pass_pytorchs_own_checks(self):
        for device, packing in self.each():
            x = inputs(torch.float32, device, 5, 7).requires_grad_()
            u = inputs(torch.float32, device, 5, 7, seed=1).requires_grad_()
            y, mask = torch.ops.invact.forward(x, "gelu", packing)
            for op, arguments in (("forward", (x, "gelu", packing)), ("gated_forward", (x, u, "silu", packing)),
                                  ("bias_forward", (x, u[0].detach().requires_grad_(), "gelu", packing)),
                                  ("bias_backward", (u.detach(), *bias_of(x, u, packing), "gelu", packing)),
                                  ("backward", (u.detach(), y.detach(), mask, "gelu", packing)),
                                  ("gated_backward", (u.detach(), y.detach(), u.detach(), mask, "silu", packing))):
                torch.library.opcheck(getattr(torch.ops.invact, op).default, arguments)

    def test_calls_that_go_past_the_dispatcher_are_those_that_do_not(self):
        class Log(TorchDispatchMode):
            def __init__(self):
                super().__init__()
                self.seen = []

            def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
                self.seen.append(str(function))
                return function(*arguments, **(keywords or {}))

        for device, packing in self.each():
            x, u = inputs(torch.float32, device, 5, 7), inputs(torch.float32, device, 5, 7, seed=1)
            for name, function, tensors in (("", lambda t: invact.gelu(t, packing=packing), [x]),
                                            ("bias_", lambda t, b: invact.gelu(t, packing=packing, bias=b), [x, u[0]]),
                                            ("gated_", lambda t, b: invact.swiglu(t, b, packing=packing), [x, u])):
                self.assertEqual(type(function(*(t.clone().requires_grad_() for t in tensors)).grad_fn).__name__, "InvertedBackward")
                plain = gradients(function, *tensors)
                log = Log()
                with log:
                    seen = gradients(function, *tensors)
                self.assert_same(seen, plain)
                for direction in ("forward", "backward"):
                    self.assertIn(f"invact.{name}{direction}.default", log.seen)
                # What records must find an operator, not the result of one call.
                traced = make_fx(lambda *t: gradients(function, *t))(*tensors)
                self.assert_same(traced(*(2 * t for t in tensors)), gradients(function, *(2 * t for t in tensors)))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    traced = torch.jit.trace(function, tuple(tensors))
                self.assert_same([traced(*(2 * t for t in tensors))], [function(*(2 * t for t in tensors))])
                self.assertIn(f"invact::{name}forward", str(traced.graph))
                both = function(*(TwoTensor(t, 2 * t) for t in tensors))
                self.assert_same([both.a, both.b], [function(*tensors), function(*(2 * t for t in tensors))])
                stacked = torch.func.vmap(function)(*(torch.stack([t, 2 * t]) for t in tensors))
                self.assert_same(stacked, [function(*tensors), function(*(2 * t for t in tensors))])
                self.assertEqual(function(*(t.to("meta") for t in tensors)).device.type, "meta")

    def test_what_the_dispatcher_has_to_do_with_a_tensor_is_done(self):
        for device, packing in self.each():
            for function, count in ((lambda t: invact.gelu(t, packing=packing), 1),
                                    (lambda t, b: invact.gelu(t, packing=packing, bias=b[0]), 2),
                                    (lambda t, u: invact.swiglu(t, u, packing=packing), 2)):
                tensors = [inputs(torch.float32, device, 4, 6, seed=seed) for seed in range(count)]
                dy = inputs(torch.float32, device, 4, 6, seed=5)
                y, *wanted = gradients(function, *tensors, dy=dy)
                # A lazy negation, of every argument and of the gradient.
                for which in range(count):
                    negated = [torch._neg_view(-t) if k == which else t for k, t in enumerate(tensors)]
                    self.assert_same([function(*negated)], [y])
                self.assert_same(gradients(function, *tensors, dy=torch._neg_view(-dy))[1:], wanted)
                # Gradients in batches, as those of a Jacobian.
                leaves = [t.clone().requires_grad_() for t in tensors]
                batch = torch.autograd.grad(function(*leaves), leaves, torch.stack([dy, 2 * dy]), is_grads_batched=True)
                for got, once in zip(batch, wanted):
                    self.assert_same(got, [once, 2 * once], 1e-6)
                zero = torch.autograd.grad(function(*leaves), leaves, torch._efficientzerotensor((4, 6), device=device))
                self.assertEqual([t.abs().max().item() for t in zero], [0] * count)
                # A subclass as one of the arguments, and as the gradient.
                for which in range(count):
                    mixed = function(*(TwoTensor(t, t) if k == which else t for k, t in enumerate(tensors)))
                    self.assert_same([mixed.a], [y])
                given = torch.autograd.grad(function(*leaves), leaves, TwoTensor(dy, 2 * dy))
                self.assert_same([t.a for t in given], wanted)
                Subclass.seen.clear()
                self.assertIs(type(function(*(t.as_subclass(Subclass) for t in tensors))), Subclass)
                self.assertTrue(any(name.startswith("invact.") for name in Subclass.seen), Subclass.seen)
                # What a hook makes of what was saved.
                with torch.autograd.graph.saved_tensors_hooks(
                        lambda t: t, lambda t: torch._neg_view(-t) if t.is_floating_point() else t):
                    self.assert_same(gradients(function, *tensors, dy=dy)[1:], wanted)
                traced = make_fx(lambda *t: function(*t), pre_dispatch=True)(*tensors)
                self.assert_same([traced(*(2 * t for t in tensors))], [function(*(2 * t for t in tensors))])

    def test_inference_mode_wants_no_gradient_of_a_parameter(self):
        for device, packing in self.each():
            first = nn.Parameter(inputs(torch.float32, device, 4, 6))
            second = nn.Parameter(inputs(torch.float32, device, 4, 6, seed=1))
            for function in (lambda t, u: invact.gelu(t, packing=packing), lambda t, u: invact.gelu(t, packing=packing, bias=u[0]),
                             lambda t, u: invact.swiglu(t, u, packing=packing)):
                wanted = function(first, second).detach()
                for grad in (torch.no_grad, torch.enable_grad):
                    with torch.inference_mode(), grad():
                        y = function(first, second)
                    self.assertFalse(y.requires_grad)
                    self.assertTrue(torch.equal(y, wanted))

    def test_a_call_past_the_dispatcher_keeps_no_input_alive(self):
        for device, packing in self.each():
            x = inputs(torch.float32, device, 64).requires_grad_()
            bias = nn.Parameter(torch.zeros(64, device=device))
            for function in (lambda t: invact.gelu(t, packing=packing), lambda t: invact.gelu(t, packing=packing, bias=bias),
                             lambda t: invact.swiglu(t, 2 * x, packing=packing)):
                inner = 1 * x
                watched = weakref.ref(inner)
                y = function(inner)
                del inner
                self.assertEqual(type(y.grad_fn).__name__, "InvertedBackward")
                self.assertIsNone(watched())

    def test_compiled_without_a_graph_break(self):
        for device, packing in self.each():
            model = self.block(packing, device)
            x = inputs(torch.float32, device, 8, 16)
            torch._dynamo.reset()
            compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
            self.assert_same(self.results(compiled, x), self.results(model, x), 1e-5)

    def test_a_fused_bias_compiled_without_a_graph_break(self):
        try:
            from transformers.models.bert.modeling_bert import BertConfig, BertIntermediate
        except ImportError:
            self.skipTest("skipped: no transformers")
        for device, packing in self.each():
            model = nn.Sequential(BertIntermediate(BertConfig(hidden_size=16, intermediate_size=48)), nn.Linear(48, 4)).to(device)
            invact.convert(model, packing=packing, fuse_bias=True)
            x = inputs(torch.float32, device, 8, 16)
            torch._dynamo.reset()
            compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
            self.assert_same(self.results(compiled, x), self.results(model, x), 1e-5)

    def test_under_autocast(self):
        for device, packing in self.each():
            model = self.block(packing, device)
            x = inputs(torch.float32, device, 8, 16)
            with torch.autocast(device, dtype=torch.bfloat16):
                self.assertEqual(model[1](model[0](x)).dtype, torch.bfloat16)
                got = self.results(model, x)
                self.assertEqual(invact.unsaved(model, x), [])
            plain = nn.Sequential(*(nn.GELU() if isinstance(m, invact.GELU) else nn.SiLU() if isinstance(m, invact.SiLU) else m
                                    for m in model))
            with torch.autocast(device, dtype=torch.bfloat16):
                wanted = self.results(plain, x)
            for a, b in zip(got, wanted):
                self.assertLess(((a - b).norm() / b.norm()).item(), 0.03)

    def test_under_activation_checkpointing(self):
        for device, packing in self.each():
            model = self.block(packing, device)
            x = inputs(torch.float32, device, 8, 16).requires_grad_()
            wanted = self.results(model, x)
            for reentrant in (True, False):
                model.zero_grad()
                y = checkpoint(model, x, use_reentrant=reentrant)
                y.square().sum().backward()
                self.assert_same([y.detach(), *(p.grad for p in model.parameters())], wanted)

    def test_a_second_differentiation_is_refused(self):
        for device, packing in self.each():
            for function in (lambda t: invact.gelu(t, packing=packing), lambda t: invact.gelu(t, packing=packing, bias=t),
                             lambda t: invact.swiglu(t, t, packing=packing)):
                x = inputs(torch.float32, device, 5).requires_grad_()
                (dx,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
                with self.assertRaisesRegex(RuntimeError, "cannot be differentiated again"):
                    torch.autograd.grad(dx.sum(), x)

    @unittest.skipUnless(torch.cuda.is_available(), "skipped: no GPU")
    def test_in_a_cuda_graph_and_on_a_stream_of_ones_own(self):
        for packing in PACKINGS:
            x = inputs(torch.bfloat16, "cuda", 4096).requires_grad_()
            wanted = gradients(lambda t: invact.gelu(t, packing=packing), x)
            stream = torch.cuda.Stream()
            with torch.cuda.stream(stream):
                for _ in range(3):
                    torch.autograd.grad(invact.gelu(x, packing=packing).sum(), x)
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                y = invact.gelu(x, packing=packing)
                (dx,) = torch.autograd.grad(y.sum(), x)
            y.detach().zero_(), dx.zero_()
            graph.replay()
            self.assert_same([y.detach(), dx], wanted)


class Arguments(unittest.TestCase):
    def test_errors_name_the_argument(self):
        x = torch.zeros(4)
        for error, text, call in (
                (ValueError, "packing must be one of", lambda: invact.gelu(x, packing="bits")),
                (ValueError, "packing must be one of", lambda: invact.SiLU(packing=1)),
                (ValueError, "approximate must be", lambda: invact.gelu(x, "erf")),
                (ValueError, "approximate must be", lambda: invact.GeGLU("erf")),
                (TypeError, "input must be float32", lambda: invact.silu(torch.zeros(4, dtype=torch.int32))),
                (TypeError, "input must be a tensor", lambda: invact.mish([1.0])),
                (ValueError, "up must have gate's", lambda: invact.swiglu(x, torch.zeros(5))),
                (ValueError, "bias must have", lambda: invact.gelu(x, bias=torch.zeros(5))),
                (ValueError, "bias must have", lambda: invact.silu(torch.tensor(1.0), bias=torch.zeros(1))),
                (TypeError, "bias must be a tensor", lambda: invact.mish(x, bias=0.5)),
                (TypeError, "bias must be float32", lambda: invact.gelu(x, bias=torch.zeros(4, dtype=torch.int64))),
                (ValueError, "convert: packing must be", lambda: invact.convert(nn.ReLU(), packing="bits")),
                (ValueError, "an activation itself", lambda: invact.convert(nn.GELU())),
                (ValueError, "up must have gate's", lambda: invact.geglu(x, x.bfloat16())),
                (TypeError, "model must be", lambda: invact.convert("model"))):
            with self.assertRaisesRegex(error, text):
                call()

    def test_operators_do_not_read_beyond_their_tensors(self):
        x, half = torch.randn(4, 64), torch.randn(4, 64).half()
        y, mask = torch.ops.invact.forward(x, "gelu", "bitmask")
        for text, call in (
                ("bias must have", lambda: torch.ops.invact.bias_forward(x, x[0, :2], "gelu", "bitmask")),
                ("mask must be 32 bytes", lambda: torch.ops.invact.backward(x, y, mask[:1], "gelu", "bitmask")),
                ("mask must be 0 bytes", lambda: torch.ops.invact.backward(x, y, mask, "gelu", "mantissa_bit")),
                ("dy must have", lambda: torch.ops.invact.backward(x[:1], y, mask, "gelu", "bitmask")),
                ("one run of memory", lambda: torch.ops.invact.backward(x[:, :32], y[:, :32], mask[:16], "gelu", "bitmask")),
                ("mask must be 32 bytes", lambda: torch.ops.invact.bias_backward(x, y, mask[:1], "gelu", "bitmask")),
                ("u must have", lambda: torch.ops.invact.gated_forward(x, half, "silu", "bitmask")),
                ("u must have", lambda: torch.ops.invact.gated_backward(x, y, x[:1], mask, "silu", "bitmask"))):
            with self.assertRaisesRegex(ValueError, text):
                call()

    def test_forward_mode_is_refused_and_not_silently_zero(self):
        x = torch.randn(4)
        for function in (invact.gelu, lambda t: invact.swiglu(x, t), lambda t: invact.silu(x, bias=t)):
            with self.assertRaisesRegex(NotImplementedError, "forward-mode"):
                torch.func.jvp(function, (x,), (torch.ones_like(x),))
            with forward_ad.dual_level(), self.assertRaisesRegex(NotImplementedError, "forward-mode"):
                function(forward_ad.make_dual(x, torch.ones_like(x)))

    def test_unknown_names_are_refused_by_the_library(self):
        with self.assertRaisesRegex(RuntimeError, "invalid argument"):
            torch.ops.invact.forward(torch.zeros(4), "no_such", "bitmask")


class LlamaMLP(nn.Module):
    __module__ = "transformers.of_a_test"  # classes of other packages are left alone

    def __init__(self):
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(8, 24, bias=False), nn.Linear(8, 24, bias=False)
        self.down_proj, self.act_fn = nn.Linear(24, 8, bias=False), nn.SiLU()

    def forward(self, x):
        return self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))


class Convert(unittest.TestCase):
    def test_swaps_and_reports(self):
        for packing in PACKINGS:
            model = nn.Sequential(nn.Linear(8, 16), nn.GELU(approximate="tanh"), nn.Linear(16, 8), LlamaMLP(), nn.ReLU())
            before = copy.deepcopy(model)
            report = invact.convert(model, packing=packing)
            self.assertEqual(report.swapped, [("1", "GELU", "GELU"), ("3", "LlamaMLP", "SwiGLU")])
            self.assertEqual(report.warnings, [])
            self.assertEqual(model[1].approximate, "tanh")
            self.assertIn("1 x LlamaMLP -> SwiGLU", str(report))
            x = torch.randn(4, 8)
            self.assertTrue(torch.allclose(model(x), before(x), rtol=1e-4, atol=1e-5))
            self.assertEqual(invact.unsaved(model, x), [])
            self.assertEqual(model.state_dict().keys(), before.state_dict().keys())

    def warnings_of(self, model, **options):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            report = invact.convert(model, **options)
        self.assertEqual([str(one.message) for one in caught], [f"invact.convert: {text}" for text in report.warnings])
        return report.warnings

    def test_warns_where_nothing_is_saved(self):
        x = torch.randn(4, 8)

        def model(*after):
            return nn.Sequential(nn.Linear(8, 16), nn.GELU(), *after, nn.Linear(16, 8))

        (text,) = self.warnings_of(model(nn.Dropout(0.1)))
        self.assertRegex(text, r"2 \(dropout\) follows.*nothing is saved")
        self.assertEqual(self.warnings_of(model(nn.Dropout(0.0))), [])
        cast = nn.Identity()
        cast.forward = lambda y: y.bfloat16().float()
        self.assertEqual(self.warnings_of(model(cast)), [])  # cannot be seen
        for after, expected in (((nn.Dropout(0.1),), 1), ((cast,), 1), ((nn.Identity(),), 0)):
            self.assertEqual(len(self.warnings_of(model(*after), example=(x,))), expected)
        self.assertEqual(len(self.warnings_of(model(nn.Dropout(0.1)), example={"input": x})), 1)
        frozen = model()
        frozen[2].weight.requires_grad_(False)
        self.assertEqual(len(self.warnings_of(frozen, example=(x,))), 1)

    def test_warns_of_dropout_and_casts_in_transformers(self):
        try:
            import transformers as t
        except ImportError:
            self.skipTest("skipped: no transformers")
        tokens = torch.ones(1, 4, dtype=torch.long)
        t5 = t.T5EncoderModel(t.T5Config(d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, vocab_size=99,
                                         feed_forward_proj="gelu"))
        for layer in t5.encoder.block:
            layer.layer[1].DenseReluDense.wo.double()
        found = self.warnings_of(copy.deepcopy(t5))
        self.assertEqual(len(found), 2)
        self.assertIn("may follow", found[0])
        for layer in t5.encoder.block:
            layer.layer[1].DenseReluDense.wo.float()
        self.assertEqual(len(self.warnings_of(t5, example={"input_ids": tokens})), 2)
        gpt2 = t.GPT2Model(t.GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=99))
        self.assertEqual(self.warnings_of(gpt2, example={"input_ids": tokens}), [])

    def test_finds_what_is_unsaved_in_one_of_several_calls_and_says_where_it_cannot_tell(self):
        g = invact.GELU()
        model = nn.Sequential(nn.Linear(8, 8), g, nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 8), g, nn.Linear(8, 8))
        before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
        self.assertEqual(invact.unsaved(model, torch.randn(4, 8, generator=torch.Generator().manual_seed(1))), ["1"])
        self.assertTrue(all(torch.equal(before[key], value) for key, value in model.state_dict().items()))
        self.assertTrue(torch.equal(state, torch.get_rng_state()))
        inner = nn.Sequential(nn.Linear(8, 8), invact.GELU(), nn.Linear(8, 8))
        outer = nn.Module()
        outer.inner, outer.forward = inner, lambda x: checkpoint(inner, x, use_reentrant=False)
        with self.assertWarnsRegex(UserWarning, "cannot tell of inner.1"):
            self.assertEqual(invact.unsaved(outer, torch.randn(4, 8)), [])

    def test_swaps_a_module_wherever_it_is_and_once(self):
        g = nn.GELU()
        model = nn.Sequential(nn.Linear(8, 8), g, nn.Linear(8, 8), g, LlamaMLP())
        self.assertEqual([name for name, _, _ in invact.convert(model).swapped], ["1", "3", "4"])
        self.assertIs(model[1], model[3])
        self.assertEqual(invact.convert(model).swapped, [])
        named = type("LlamaMLP", (LlamaMLP,), {"__module__": "my.own"})()
        self.assertEqual([new for _, _, new in invact.convert(nn.Sequential(named)).swapped], ["SiLU"])

    def test_a_converted_model_is_traced(self):
        model = nn.Sequential(nn.Linear(8, 8), nn.GELU())
        invact.convert(model)
        x = torch.randn(2, 8)
        self.assertTrue(torch.equal(torch.fx.symbolic_trace(model)(x), model(x)))

    def assert_like(self, model, expected, call, packing="bitmask"):
        """That a converted copy of the model, with the bias and without, computes what it does."""
        model.train()
        torch.manual_seed(2)
        before = call(model)
        parameters = list(model.parameters())
        wanted = torch.autograd.grad(before.square().sum(), parameters, allow_unused=True)
        largest = max(gradient.norm() for gradient in wanted if gradient is not None)  # some are zero but for rounding
        for fuse_bias, names in ((False, expected), (True, [f"{name} with bias" if "GLU" not in name else name
                                                            for name in expected])):
            converted = copy.deepcopy(model)
            report = invact.convert(converted, packing=packing, fuse_bias=fuse_bias)
            self.assertEqual([new for _, _, new in report.swapped], names)
            for made in (converted, copy.deepcopy(converted)):
                torch.manual_seed(2)
                after = call(made)
                self.assertTrue(torch.allclose(before, after, rtol=1e-3, atol=1e-4))
                got = torch.autograd.grad(after.square().sum(), list(made.parameters()), allow_unused=True)
                for a, b in zip(got, wanted, strict=True):
                    self.assertEqual(a is None, b is None)
                    if a is not None:
                        self.assertLess((a - b).norm(), 1e-3 * b.norm() + 1e-5 * largest)
            self.assertEqual(invact.unsaved(converted, *call.arguments, **call.keywords), [])
            self.assertEqual(converted.state_dict().keys(), model.state_dict().keys())

    def test_models_of_transformers(self):
        try:
            import transformers as t
        except ImportError:
            self.skipTest("skipped: no transformers")
        small = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
        tokens = torch.randint(0, 90, (2, 8), generator=torch.Generator().manual_seed(1))
        image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        vision = dict(small, image_size=32, patch_size=8)
        for model, expected, keywords in (
                (t.BertModel(t.BertConfig(**small)), "GELU", {"input_ids": tokens}),
                (t.LlamaModel(t.LlamaConfig(**small, num_key_value_heads=2, vocab_size=99)), "SwiGLU", {"input_ids": tokens}),
                (t.MistralModel(t.MistralConfig(**small, num_key_value_heads=2, vocab_size=99)), "SwiGLU", {"input_ids": tokens}),
                (t.CLIPTextModel(t.CLIPTextConfig(**small)), "QuickGELU", {"input_ids": tokens}),
                (t.ViTModel(t.ViTConfig(**vision)), "GELU", {"pixel_values": image})):
            with self.subTest(type(model).__name__):
                self.assert_like(model, [expected] * 2, Call(keywords=keywords))

    def test_models_of_timm(self):
        try:
            import timm
        except ImportError:
            self.skipTest("skipped: no timm")
        image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        model = timm.models.vision_transformer.VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2)
        self.assert_like(model, ["GELU"] * 2, Call(arguments=(image,)))

    def fused(self):
        try:
            from transformers.models.bert.modeling_bert import BertConfig, BertIntermediate
        except ImportError:
            self.skipTest("skipped: no transformers")
        torch.manual_seed(0)
        return BertIntermediate(BertConfig(hidden_size=8, intermediate_size=16))

    def test_a_bias_is_not_lost_nor_added_twice_whatever_becomes_of_its_linear_layer(self):
        x = torch.randn(4, 8)

        def replaced(model):
            model.dense = copy.deepcopy(model.dense)

        def wrapped(model):
            model.dense = nn.Sequential(model.dense)

        def put_back(model):
            model.intermediate_act_fn = nn.GELU()

        def hooked(model):
            model.dense.register_forward_hook(lambda module, inputs, output: output + module.bias)

        for change in (replaced, wrapped, put_back, hooked):
            model = self.fused()
            converted = copy.deepcopy(model)
            self.assertEqual([new for _, _, new in invact.convert(converted, fuse_bias=True).swapped], ["GELU with bias"])
            for one in (model, converted):
                change(one)
            self.assertTrue(torch.allclose(model(x), converted(x), atol=1e-5), change.__name__)
        shared, plain = [self.fused(), self.fused()], [self.fused(), self.fused()]
        for a, b in (shared, plain):
            b.dense = a.dense
        shared, plain = nn.ModuleList(shared), nn.ModuleList(plain)
        self.assertEqual([new for _, _, new in invact.convert(shared, fuse_bias=True).swapped], ["GELU with bias"] * 2)
        for a, b in zip(shared, plain):
            self.assertTrue(torch.allclose(a(x), b(x), atol=1e-5))
        invact.convert(plain)
        self.assertEqual([new for _, _, new in invact.convert(plain, fuse_bias=True).swapped], ["GELU with bias"] * 2)
        wrapped(model := self.fused())
        self.assertEqual([new for _, _, new in invact.convert(model, fuse_bias=True).swapped], ["GELU"])

    def test_a_converted_model_is_saved_and_loaded_and_replicated(self):
        try:
            from transformers import LlamaConfig
            from transformers.models.llama.modeling_llama import LlamaMLP
        except ImportError:
            self.skipTest("skipped: no transformers")
        model = nn.Sequential(self.fused(), nn.Linear(16, 8), LlamaMLP(LlamaConfig(hidden_size=8, intermediate_size=24, num_attention_heads=2)))
        invact.convert(model, fuse_bias=True)
        x = torch.randn(4, 8)
        with tempfile.TemporaryDirectory() as folder:
            torch.save(model, f"{folder}/model.pt")
            loaded = torch.load(f"{folder}/model.pt", weights_only=False)
        for made in (loaded, copy.deepcopy(model)):
            self.assertTrue(torch.equal(made(x), model(x)))
            self.assertEqual(str(made), str(model))
            with torch.no_grad():
                for parameter in made.parameters():
                    parameter.zero_()
            self.assertEqual(made(x).abs().max().item(), 0)  # its own parameters
        replica = model[2]._replicate_for_data_parallel()
        self.assertIs(replica.forward.__self__, replica)

    def test_a_fused_bias_under_checkpointing_and_autocast(self):
        model = nn.Sequential(self.fused(), nn.Linear(16, 4))
        invact.convert(model, fuse_bias=True)
        x = torch.randn(4, 8, requires_grad=True)
        (wanted,) = torch.autograd.grad(model(x).sum(), x)
        (got,) = torch.autograd.grad(checkpoint(model, x, use_reentrant=False).sum(), x)
        self.assertTrue(torch.equal(got, wanted))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = model(x)
            y.float().sum().backward()
        self.assertLess((x.grad - wanted).norm(), 0.03 * wanted.norm())
        self.assertEqual({parameter.grad.dtype for parameter in model.parameters()}, {torch.float32})


class Call:
    """A model's forward with these arguments, and its first result."""

    def __init__(self, arguments=(), keywords=None):
        self.arguments, self.keywords = arguments, keywords or {}

    def __call__(self, model):
        result = model(*self.arguments, **self.keywords)
        return result if isinstance(result, torch.Tensor) else result.last_hidden_state


def _worker(rank, kind, folder, packing):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/{kind}-{packing}", rank=rank, world_size=2)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), invact.GELU(packing=packing), nn.Linear(32, 32), invact.SiLU(packing=packing),
                          nn.Linear(32, 4))
    alone = copy.deepcopy(model)
    x = torch.randn(6, 8, generator=torch.Generator().manual_seed(3))
    if kind == "ddp":
        wrapped = nn.parallel.DistributedDataParallel(model)
    else:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        wrapped = fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (wrapped, alone)]
    for _ in range(3):
        losses = []
        for module, optimizer, part in ((wrapped, optimizers[0], x[3 * rank: 3 * rank + 3]), (alone, optimizers[1], x)):
            optimizer.zero_grad()
            loss = module(part).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        torch.distributed.all_reduce(losses[0])
        assert torch.allclose(losses[0] / 2, losses[1], rtol=1e-4), losses
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


class Distributed(unittest.TestCase):
    def train(self, kind):
        if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
            self.skipTest("skipped: no gloo")
        with tempfile.TemporaryDirectory() as folder:
            for packing in PACKINGS:
                torch.multiprocessing.spawn(_worker, (kind, folder, packing), nprocs=2)

    def test_data_parallel_training_is_that_of_one_process(self):
        self.train("ddp")

    def test_fully_sharded_training_is_that_of_one_process(self):
        self.train("fsdp")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    unittest.main()
