// What the library promises: the constants that the tests of the host's and of the device's arithmetic assert, and
// that the accuracy report is checked against.
#pragma once

namespace bounds {

// Total error of the forward, in ULP (of storage of 16 bits or less; subnormal results apart), and its mean.
constexpr double bitmask_ulp = 0.75;
constexpr double mantissa_bit_ulp = 1.25;
constexpr double mean_ulp = 0.01;
// With more than two pieces the index takes more than one bit of y, each of which doubles the distance to the next
// code with the index, and with it what goes beyond the bitmask's error, and the mean error.
// Where y would be stored as the value of a constant piece beside its own, it goes to the code next to it.
constexpr double beside_constant_ulp = 1.25;
// The same for float storage; the mantissa bit's choice of parity adds up to one.
constexpr double float_ulp = 4;
constexpr double float_mantissa_bit_ulp = float_ulp + 1;

// Errors of the gradient factor over the floor: the largest, RMS for x ~ N(0, 1) and N(0, 2).
struct gradient {
  double largest;
  double rms;
  double rms_wide;
};
constexpr gradient accurate_bfloat16{1.05, 1.06, 1.08};
constexpr gradient accurate_bfloat16_mantissa_bit{1.06, 1.08, 1.08};
constexpr gradient fast_bfloat16{1.10, 1.15, 1.5};
constexpr gradient accurate_binary16{1.10, 1.10, 1.10};
// No tighter promise: the fast half tables trade the tail of N(0, 2) for instructions.
constexpr gradient fast_binary16{1.10, 1.35, 1.85};

// Half precision, and a table for GEMM epilogues, where every instruction shows.
constexpr gradient packed_bfloat16{1.41, 1.31, 1.51};
// Its g where x is at an end of its range: of 0 and of the limit on the right.
constexpr double packed_end = 4e-3;
// Its forward: of |x| (the tangent of the fit 5.5e-4, of the device 2^-12, and halves of both), and for x > -1 in ULP, with
// the rounding of the bitmask.
constexpr double packed_relative_to_x = 1e-3;
constexpr double packed_ulp = 1.2;

// FP8 storage, at every scale of y. RMS where many x share the code of a limit (sigmoid, under N(0, 2) tanh and celu):
// the middle of its range of g, which is the least largest error, is not its mean.
constexpr gradient accurate_e4m3{1.05, 1.17, 1.35};
constexpr gradient accurate_e5m2{1.07, 1.20, 1.52};
// A constant that the scale moves half a ULP off the numbers of the format pushes what lies beside it over another one.
constexpr double beside_scaled_constant_ulp = 1.55;
// With refined_bitmask<2> and <4>, in floors of a code without it. RMS: squared ReLU's first code in e4m3.
constexpr gradient two_bits{0.55, 0.55, 0.55};
constexpr gradient two_bits_e5m2{0.58, 0.55, 0.55};
constexpr gradient four_bits{0.15, 0.24, 0.13};

// The mean error of the gradient factor in bfloat16, x ~ N(0, 1).
constexpr double bias_bfloat16 = 2e-4;
constexpr double bias_bfloat16_mantissa_bit = 3e-4;

// Float: the largest error over the floor, and the RMS error itself. Where the floor is below the rounding of g
// itself, as of every activation with one piece, the largest error is at most this many ULP of the largest g.
constexpr double float_largest = 1.3;
constexpr double float_rms = 1e-6;
// That times the floor where no decoder could be as good: Mish with the mantissa bit, 1.06e-6.
constexpr double float_rms_ratio = 1.06;
constexpr double float_ulps_of_g = 4;
// With the forward's own error in the stored y.
constexpr double float_rms_together = 1.1e-6;
// Of g itself, on the left tail where 1e-7 < |y| < 1e-2.
constexpr double float_tail = 0.01;
// Of the cells next to the minimum alone, where the floor is highest, the RMS error over it.
constexpr gradient float_next_to_minimum{float_largest, 1.6, 1.6};

// Gated units. h in ULP, where f(g) is a normal number of the storage too: half is rounding, the rest the evaluator's
// error, which may be twice as many ULP of h as of y. So of 16-bit storage bitmask_ulp and mantissa_bit_ulp hold; but a
// y beside a constant is moved off its code, which is one of its own codes, and so more of h.
constexpr double gated_beside_constant_ulp = 1.65;
constexpr double gated_below_top_ulp = 2.25;  // of clamped_swish
constexpr double gated_float_ulp = 4.5;
constexpr double gated_float_mantissa_bit_ulp = gated_float_ulp + 1;
// dg over the floor of what decodes (h, u, piece): the largest error of f', and RMS of dg, for g, u ~ N(0, 1).
constexpr gradient gated_accurate{1.08, 1.03, 0};
constexpr gradient gated_fast{1.65, 1.5, 0};
// RMS in float, where rounding is more than the floor.
constexpr double gated_float_rms = 1.3e-6;
// RMS of dg over that of the op that stores y: of tables, and of closed forms, which h / u has less of y for.
constexpr double gated_over_stored = 1.1;
constexpr double gated_over_stored_closed_form = 1.25;
// f' from x itself, largest errors.
constexpr double derivative_silu = 1.5e-6;
constexpr double derivative_gelu = 2.5e-6;
constexpr double derivative_gelu_tanh = 3e-6;
constexpr double derivative_mish = 4e-7;
// f' that is computed again from a stored g: as above, or where float's approximant makes it of f(g).
constexpr double recomputed_factor = 4e-6;
constexpr double recomputed_factor_float = 2e-4;

}  // namespace bounds
