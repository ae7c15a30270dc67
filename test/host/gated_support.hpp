// What the tests of gated units share, on the host and on a device: the tensors of one forward and one backward, what
// they hold afterwards by the op's scalar calls, and the comparisons. A Backend says where calls run:
//
//   template <class T> buffer           a copy of a guarded<T>, with data() and copy_to(guarded<T>&)
//   scalar(op, vector of unit_in)       the op's calls, one unit at a time: a vector of unit_out
//   forward_gated(...), ...             the library's four calls
//   rows(problem, shape, call)          call(shape), with the problem's counts where it has any
//   done(what a call returned)
#pragma once

#include "host_support.hpp"
#include "support/catch.hpp"

#include <invact/op/gated_arguments.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace host_test {

using invact::gated_shape;

// The calls, as sets of them; those of an op that recomputes have an `again`.
enum gated_call {
  forward_gated = 1,
  forward_interleaved = 2,
  backward_gated = 4,
  backward_interleaved = 8,
  forward_gated_again = 16,
  forward_interleaved_again = 32,
  backward_gated_again = 64,
  backward_interleaved_again = 128
};
constexpr int separate_forwards = forward_gated | forward_gated_again;
constexpr int interleaved_forwards = forward_interleaved | forward_interleaved_again;
constexpr int separate_backwards = backward_gated | backward_gated_again;
constexpr int interleaved_backwards = backward_interleaved | backward_interleaved_again;
constexpr int forwards = separate_forwards | interleaved_forwards;
constexpr int backwards = separate_backwards | interleaved_backwards;
constexpr int masked_calls = forward_gated | forward_interleaved | backward_gated | backward_interleaved;
// Those that take (or write) u as a tensor, that take g alone, and in pairs.
constexpr int calls_with_u =
    separate_forwards | forward_interleaved | separate_backwards | backward_interleaved;
constexpr int calls_of_g = separate_forwards | backward_gated_again;
constexpr int calls_of_pairs = interleaved_forwards | backward_interleaved_again;
// use(call) for each of the eight.
template <class Use>
void each_gated_call(const Use& use) {
  for (int bit = 1; bit <= backward_interleaved_again; bit *= 2) use(static_cast<gated_call>(bit));
}

// What the scalar calls take of one unit, and what they give. kept_g is g as an op that recomputes keeps it.
template <class S>
struct unit_in {
  float g, u, dh;
  S kept_g;
};
template <class S>
struct unit_out {
  float dg, du;
  S h, h_again;
  uint8 piece;
};

template <class Op>
INVACT_FUNCTION unit_out<typename Op::storage_type> scalar_unit(
    const Op& op, const unit_in<typename Op::storage_type>& in) {
  const auto e = op.forward(in.g, in.u);
  if constexpr (Op::recomputes) {
    const auto d = op.backward(in.dh, in.kept_g, in.u, 0u);
    return {d.dg, d.du, e.h, d.h, 0};
  } else {
    const auto d = op.backward(in.dh, e.h, in.u, e.piece);
    return {d.dg, d.du, e.h, e.h, static_cast<uint8>(e.piece)};
  }
}

// The rows of `groups` matrices, one below the other; counts, if any, say how many of each are there.
struct gated_problem {
  int64 groups, rows, cols;
  int64 pad = 0, pad_mask_bits = 0;  // beyond cols, and beyond whole bytes
  int shift = 0;                     // elements off a 16-byte boundary
  std::vector<int> counts{};
  int only = -1;  // the one tensor that is shifted, in the order of gated_data's members; all by default
  int64 multiple = 1;   // of which leading dimensions are multiples
  bool is_run = false;  // of n = cols units, called without a shape
  bool one_ld = false;  // the same leading dimension for all tensors that are not interleaved

  static gated_problem run(int64 n, int shift = 0, int only = -1) {
    gated_problem p{1, n == 0 ? 0 : 1, n};
    p.shift = shift;
    p.only = only;
    p.is_run = true;
    return p;
  }

  int shift_of(int tensor) const { return only < 0 || only == tensor ? shift : 0; }
  bool is_there(int64 row) const {
    return counts.empty() || row % rows < counts[static_cast<std::size_t>(row / rows)];
  }
  // Where the elements of a tensor with rows `ld` apart end, Width of them a unit.
  int64 extent(int64 ld, int64 width = 1) const {
    return groups * rows == 0 ? 0 : (groups * rows - 1) * ld + width * cols;
  }
  // use(row, column) for each unit that is there.
  template <class Use>
  void each(const Use& use) const {
    for (int64 r = 0; r < groups * rows; ++r)
      for (int64 c = 0; is_there(r) && c < cols; ++c) use(r, c);
  }
  gated_shape shape(int mask_bits, int64 width) const {
    // A different leading dimension for each tensor, so that a mix-up shows. A vector access needs pads of eight.
    const auto ld = [&](int64 k, int64 w = 1) {
      return (w * cols + (one_ld ? 1 : k) * pad + multiple - 1) / multiple * multiple;
    };
    return {groups * rows, cols,  ld(1, width),
            ld(2),         ld(3), ld(4),
            ld(5, width),  ld(6), 8 * invact::mask_bytes(cols, mask_bits) + pad_mask_bits};
  }
};

template <class G_, class U_, class Dh_, class Dg_, class Du_ = Dg_>
struct gated_types {
  using G = G_;
  using U = U_;
  using Dh = Dh_;
  using Dg = Dg_;
  using Du = Du_;
};
template <class Op>
using own_types = gated_types<typename Op::storage_type, typename Op::storage_type,
                              typename Op::storage_type, typename Op::storage_type>;

// Under -ffast-math a vector loop and a scalar call decode y and f' up to rounding errors apart, which next to a
// minimum are more than that; and overflow or make a NaN at other sizes.
#if defined(__FAST_MATH__)
constexpr double gradient_slack = 1e-4;
inline float gated_input(std::mt19937& random) {
  const float x = input(random);
  return std::fabs(x) < 8.0f ? x : 1.5f;
}
#else
constexpr double gradient_slack = 0;
inline float gated_input(std::mt19937& random) { return input(random); }
#endif

// The first elements of `got` that are not as in `wanted`, or a guard.
template <class T>
std::string differing(guarded<T>& got, guarded<T>& wanted, double slack = 0) {
  if (got.bytes() == wanted.bytes()) return "";
  std::string text;
  const int64 n = static_cast<int64>((got.bytes().size() - got.first_byte() - 64) / sizeof(T));
  for (int64 i = 0; i < n && text.size() < 60; ++i) {
    bool equal = std::memcmp(&got[i], &wanted[i], sizeof(T)) == 0;
    if constexpr (!std::is_same_v<T, uint8>) {
      const double apart = static_cast<double>(storage_traits<T>::load(got[i])) -
                           static_cast<double>(storage_traits<T>::load(wanted[i]));
      equal = equal || same(got[i], wanted[i]) || std::fabs(apart) < slack;
    }
    if (!equal) text += " [" + std::to_string(i) + "]";
  }
  return text + (got.guards_intact() ? "" : " a guard");
}

template <class Buffer, class T>
void check_holds(const char* what, const Buffer& got, guarded<T>& wanted, double slack = 0) {
  guarded<T> back = wanted;
  got.copy_to(back);
  const std::string differs = differing(back, wanted, slack);
  INFO(what << " differs at" << differs);
  CHECK(differs == "");
}

// `of` as it was before a call: the pattern where a call writes.
template <class T>
guarded<T> unwritten(const guarded<T>& of) {
  guarded<T> b = of;
  std::fill(b.bytes().begin(), b.bytes().end(), guarded<T>::pattern);
  return b;
}

// Everything that one forward and one backward work on: inputs, and what they should leave. Of interleaved units g and
// dg are of pairs, u what the forward writes, and du empty; so is u where the op keeps the pairs themselves.
template <class Op, class Types, bool Interleaved>
struct gated_data {
  using op_type = Op;
  using S = typename Op::storage_type;
  using G = typename Types::G;
  using U = typename Types::U;
  using Dh = typename Types::Dh;
  using Dg = typename Types::Dg;
  using Du = typename Types::Du;
  static constexpr bool is_interleaved = Interleaved;
  static constexpr int width = Interleaved ? 2 : 1;
  static constexpr bool has_u = !(Interleaved && Op::recomputes);
  // What a backward that recomputes takes is what the forward took.
  static constexpr bool has_backward = !Op::recomputes || std::is_same_v<G, S>;

  Op op;
  gated_problem p;
  gated_shape shape;
  guarded<G> g;
  guarded<U> u;
  guarded<S> h;
  guarded<uint8> mask;
  guarded<Dh> dh;
  guarded<Dg> dg;
  guarded<Du> du;

  template <class Scalar>
  gated_data(const gated_problem& q, unsigned seed, const Scalar& scalar, const Op& o = {})
      : op(o),
        p(q),
        shape(q.shape(Op::mask_bits, width)),
        g(q.extent(shape.ld_g, width), q.shift_of(0)),
        u(has_u ? q.extent(shape.ld_u) : 0, q.shift_of(1)),
        h(q.extent(shape.ld_h), q.shift_of(2)),
        mask(mask_extent(), q.shift_of(3)),
        dh(q.extent(shape.ld_dh), q.shift_of(4)),
        dg(q.extent(shape.ld_dg, width), q.shift_of(5)),
        du(Interleaved ? 0 : q.extent(shape.ld_du), q.shift_of(6)) {
    std::mt19937 random(seed);
    std::vector<unit_in<S>> in;
    p.each([&](int64 r, int64 c) {
      const auto put = [&](auto& tensor, int64 at) {
        using T = std::remove_reference_t<decltype(tensor[0])>;
        tensor[at] = storage_traits<T>::round(gated_input(random));
        return storage_traits<T>::load(tensor[at]);
      };
      unit_in<S> unit{};
      unit.g = put(g, r * shape.ld_g + width * c);
      unit.u = Interleaved ? put(g, r * shape.ld_g + width * c + 1) : put(u, r * shape.ld_u + c);
      unit.dh = put(dh, r * shape.ld_dh + c);
      if constexpr (Interleaved && has_u) {
        u[r * shape.ld_u + c] = storage_traits<U>::round(unit.u);
        unit.u = storage_traits<U>::load(u[r * shape.ld_u + c]);
      }
      if constexpr (Op::recomputes && has_backward) unit.kept_g = g[r * shape.ld_g + width * c];
      in.push_back(unit);
    });
    const auto out = scalar(op, in);
    std::size_t i = 0;
    p.each([&](int64 r, int64 c) {
      const unit_out<S>& unit = out[i++];
      h[r * shape.ld_h + c] = unit.h;
      dg[r * shape.ld_dg + width * c] = storage_traits<Dg>::round(unit.dg);
      if constexpr (Interleaved) {
        dg[r * shape.ld_dg + width * c + 1] = storage_traits<Dg>::round(unit.du);
      } else {
        du[r * shape.ld_du + c] = storage_traits<Du>::round(unit.du);
      }
      if (Op::mask_bits > 0) {
        // The tail of a row's last byte is zero.
        if (c == 0)
          std::memset(mask_row(mask, r), 0,
                      static_cast<std::size_t>(invact::mask_bytes(p.cols, Op::mask_bits)));
        set_piece(mask_row(mask, r), c, Op::mask_bits, unit.piece);
      }
    });
  }

  uint8* mask_row(guarded<uint8>& of, int64 r) const {
    return of.data() + r * (shape.mask_stride_bits / 8);
  }
  // A mask as a backward must take it, too: with ones in the tails.
  guarded<uint8> mask_with_tails() {
    guarded<uint8> with = mask;
    p.each([&](int64 r, int64 c) {
      for (int64 bit = p.cols * Op::mask_bits; c == 0 && bit % 8 != 0; ++bit) set_piece(mask_row(with, r), bit, 1, 1u);
    });
    return with;
  }

  // What a backward takes in h's place.
  guarded<S>& kept() {
    if constexpr (Op::recomputes) {
      return g;
    } else {
      return h;
    }
  }

  // No call reads the members of tensors that it does not take.
  gated_shape forward_shape() const {
    gated_shape s = shape;
    s.ld_dh = s.ld_dg = s.ld_du = -1;
    return without_unread(s);
  }
  gated_shape backward_shape(bool writes_h) const {
    gated_shape s = shape;
    if (!Op::recomputes) s.ld_g = -1;
    if (Op::recomputes && !writes_h) s.ld_h = -1;
    if (Interleaved) s.ld_du = -1;
    return without_unread(s);
  }

 private:
  gated_shape without_unread(gated_shape s) const {
    if (!has_u) s.ld_u = -1;
    if (Op::mask_bits == 0) s.mask_stride_bits = -3;
    return s;
  }
  int64 mask_extent() const {
    if (Op::mask_bits == 0 || p.groups * p.rows == 0) return 0;
    return (p.groups * p.rows - 1) * (shape.mask_stride_bits / 8) +
           invact::mask_bytes(p.cols, Op::mask_bits);
  }
};

// The calls, with what the op has of mask, u and an h that is computed again. `where` is n or a shape.
template <class Backend, bool Interleaved, class Op, class Where, class G, class U, class... Rest>
auto call_forward_gated(const Op& op, const Where& where, const G* g, U* u, typename Op::storage_type* h,
                        uint8* mask, Rest... rest) {
  if constexpr (Interleaved && Op::recomputes) {
    return Backend::forward_interleaved(op, where, g, h, rest...);
  } else if constexpr (Interleaved && Op::mask_bits > 0) {
    return Backend::forward_interleaved(op, where, g, h, u, mask, rest...);
  } else if constexpr (Interleaved) {
    return Backend::forward_interleaved(op, where, g, h, u, rest...);
  } else if constexpr (Op::mask_bits > 0) {
    return Backend::forward_gated(op, where, g, u, h, mask, rest...);
  } else {
    return Backend::forward_gated(op, where, g, u, h, rest...);
  }
}
template <class Backend, bool Interleaved, class Op, class Where, class Dh, class U, class Dg, class Du,
          class... Rest>
auto call_backward_gated(const Op& op, const Where& where, const Dh* dh,
                         const typename Op::storage_type* kept, const U* u, const uint8* mask, Dg* dg,
                         Du* du, typename Op::storage_type* h, Rest... rest) {
  if constexpr (Interleaved && Op::recomputes) {
    return Backend::backward_interleaved(op, where, dh, kept, dg, h, rest...);
  } else if constexpr (Interleaved && Op::mask_bits > 0) {
    return Backend::backward_interleaved(op, where, dh, kept, u, mask, dg, rest...);
  } else if constexpr (Interleaved) {
    return Backend::backward_interleaved(op, where, dh, kept, u, dg, rest...);
  } else if constexpr (Op::recomputes) {
    return Backend::backward_gated(op, where, dh, kept, u, dg, du, h, rest...);
  } else if constexpr (Op::mask_bits > 0) {
    return Backend::backward_gated(op, where, dh, kept, u, mask, dg, du, rest...);
  } else {
    return Backend::backward_gated(op, where, dh, kept, u, dg, du, rest...);
  }
}

// call(where), which must succeed.
template <class Backend, class Data, class Call>
void call_at(const Data& d, const gated_shape& shape, const Call& call) {
  if constexpr (!Data::is_interleaved) {
    if (d.p.is_run) return Backend::done(call(d.p.cols));
  }
  Backend::rows(d.p, shape, call);
}
template <class Backend, class Data>
void forward_of(const Data& d, const typename Data::G* g, typename Data::U* u, typename Data::S* h,
                uint8* mask) {
  call_at<Backend>(d, d.forward_shape(), [&](const auto& where) {
    return call_forward_gated<Backend, Data::is_interleaved>(d.op, where, g, u, h, mask);
  });
}
template <class Backend, class Data>
void backward_of(const Data& d, const typename Data::Dh* dh, const typename Data::S* kept,
                 const typename Data::U* u, const uint8* mask, typename Data::Dg* dg, typename Data::Du* du,
                 typename Data::S* h) {
  call_at<Backend>(d, d.backward_shape(h != nullptr), [&](const auto& where) {
    return call_backward_gated<Backend, Data::is_interleaved>(d.op, where, dh, kept, u, mask, dg, du, h);
  });
}

template <class Backend, class T>
auto copy_of(const guarded<T>& tensor) {
  return typename Backend::template buffer<T>(tensor);
}

// A forward, then a backward of what it should have left, of an op that recomputes one with h and one without: every
// byte of every tensor.
template <class Backend, class Data>
void check_calls(Data& d) {
  CAPTURE(d.p.groups, d.p.rows, d.p.cols, d.p.pad, d.p.shift, d.p.only);
  auto g = copy_of<Backend>(d.g);
  auto u = copy_of<Backend>(Data::is_interleaved ? unwritten(d.u) : d.u);
  auto h = copy_of<Backend>(unwritten(d.h));
  auto mask = copy_of<Backend>(unwritten(d.mask));
  forward_of<Backend>(d, g.data(), u.data(), h.data(), mask.data());
  check_holds("h", h, d.h);
  check_holds("mask", mask, d.mask);
  check_holds("g", g, d.g);
  check_holds("u", u, d.u);
  if constexpr (Data::has_backward) {
    guarded<uint8> tails = d.mask_with_tails();
    for (const bool writes_h : {true, false}) {
      if (!Data::op_type::recomputes && writes_h) continue;
      auto dh = copy_of<Backend>(d.dh);
      auto kept = copy_of<Backend>(d.kept());
      auto kept_u = copy_of<Backend>(d.u);
      auto kept_mask = copy_of<Backend>(tails);
      auto dg = copy_of<Backend>(unwritten(d.dg));
      auto du = copy_of<Backend>(unwritten(d.du));
      auto again = copy_of<Backend>(unwritten(d.h));
      backward_of<Backend>(d, dh.data(), kept.data(), kept_u.data(), kept_mask.data(), dg.data(), du.data(),
                           writes_h ? again.data() : nullptr);
      check_holds("dg", dg, d.dg, gradient_slack);
      check_holds("du", du, d.du, gradient_slack);
      guarded<typename Data::S> no_h = unwritten(d.h);
      check_holds("h again", again, writes_h ? d.h : no_h);
      check_holds("dh", dh, d.dh);
      check_holds("what was kept", kept, d.kept());
      check_holds("u", kept_u, d.u);
      check_holds("mask", kept_mask, tails);
    }
  }
}

// The same with h over g, and with the gradients, and an h that is computed again, over each of dh, what was kept and
// u. All tensors have one type and leading dimension.
template <class Backend, class Data>
void check_in_place(Data& d) {
  CAPTURE(d.p.groups, d.p.rows, d.p.cols, d.p.pad, d.p.shift);
  static_assert(!Data::is_interleaved);
  auto gh = copy_of<Backend>(d.g);
  auto u = copy_of<Backend>(d.u);
  auto mask = copy_of<Backend>(unwritten(d.mask));
  forward_of<Backend>(d, gh.data(), u.data(), gh.data(), mask.data());
  check_holds("h", gh, d.h);
  check_holds("mask", mask, d.mask);
  check_holds("u", u, d.u);
  for (int k = 0; k < 3; ++k) {
    CAPTURE(k);
    auto dh = copy_of<Backend>(d.dh);
    auto kept = copy_of<Backend>(d.kept());
    auto kept_u = copy_of<Backend>(d.u);
    auto kept_mask = copy_of<Backend>(d.mask_with_tails());
    decltype(dh)* const all[] = {&dh, &kept, &kept_u};
    auto &dg = *all[k], &h = *all[(k + 1) % 3], &du = *all[(k + 2) % 3];
    guarded<typename Data::S>* const before[] = {&d.dh, &d.kept(), &d.u};
    backward_of<Backend>(d, dh.data(), kept.data(), kept_u.data(), kept_mask.data(), dg.data(), du.data(),
                         Data::op_type::recomputes ? h.data() : nullptr);
    check_holds("dg", dg, d.dg, gradient_slack);
    check_holds("du", du, d.du, gradient_slack);
    check_holds("h, or what is in its place", h, Data::op_type::recomputes ? d.h : *before[(k + 1) % 3]);
  }
}

// Of an op that keeps pairs: their gradients over them, and h over dh.
template <class Backend, class Data>
void check_pairs_in_place(Data& d) {
  static_assert(Data::is_interleaved && Data::op_type::recomputes);
  auto dh_h = copy_of<Backend>(d.dh);
  auto pairs = copy_of<Backend>(d.g);
  backward_of<Backend>(d, dh_h.data(), pairs.data(), nullptr, nullptr, pairs.data(), nullptr, dh_h.data());
  check_holds("dgu", pairs, d.dg, gradient_slack);
  check_holds("h", dh_h, d.h);
}

// [g | u] in one matrix becomes [h | u], and that [dg | du].
template <class Backend, class Data>
void check_joined(Data& d) {
  CAPTURE(d.p.groups, d.p.rows, d.p.cols, d.p.pad, d.p.shift);
  static_assert(!Data::is_interleaved && !Data::op_type::recomputes);
  const int64 ld = d.shape.ld_g, cols = d.p.cols;
  REQUIRE(ld >= 2 * cols);
  const auto joined = [&](guarded<typename Data::S>& left, guarded<typename Data::S>& right) {
    guarded<typename Data::S> both(d.p.extent(ld, 1) + cols, d.p.shift);
    d.p.each([&](int64 r, int64 c) {
      both[r * ld + c] = left[r * ld + c];
      both[r * ld + cols + c] = right[r * ld + c];
    });
    return both;
  };
  auto gu = joined(d.g, d.u), hu = joined(d.h, d.u), gradients = joined(d.dg, d.du);
  auto tensor = copy_of<Backend>(gu);
  auto mask = copy_of<Backend>(unwritten(d.mask));
  auto dh = copy_of<Backend>(d.dh);
  forward_of<Backend>(d, tensor.data(), tensor.data() + cols, tensor.data(), mask.data());
  check_holds("[h | u]", tensor, hu);
  check_holds("mask", mask, d.mask);
  // h as it should be, as that of a -ffast-math build may not be.
  auto kept = copy_of<Backend>(hu);
  backward_of<Backend>(d, dh.data(), kept.data(), kept.data() + cols, mask.data(), kept.data(),
                       kept.data() + cols, nullptr);
  check_holds("[dg | du]", kept, gradients, gradient_slack);
  check_holds("dh", dh, d.dh);
}

// An op of a user's own, without fragment calls and with any number of mask bits; and one that recomputes. Of g = 0,
// as which a call may read what is behind a row's end, all piece bits are set.
template <class Storage, int Bits>
struct plain_gated_op {
  using storage_type = Storage;
  static constexpr int mask_bits = Bits;
  static constexpr bool recomputes = false;
  struct encoded {
    Storage h;
    uint32 piece;
  };
  struct gradients {
    float dg, du;
  };
  INVACT_FUNCTION encoded forward(float g, float u) const {
    const uint32 bits = invact::float_bits(g);
    return {storage_traits<Storage>::round(0.5f * g + u), ~(bits ^ bits >> 13) & ((1u << Bits) - 1u)};
  }
  INVACT_FUNCTION gradients backward(float dh, Storage h, float u, uint32 piece) const {
    const float sign = invact::is_less(storage_traits<Storage>::load(h), 0.0f) ? -1.0f : 1.0f;
    return {dh * sign, u + static_cast<float>(static_cast<int>(piece))};
  }
};
template <class Storage>
struct plain_recompute_op {
  using storage_type = Storage;
  static constexpr int mask_bits = 0;
  static constexpr bool recomputes = true;
  struct encoded {
    Storage h;
    uint32 piece;
  };
  struct gradients {
    float dg, du;
    Storage h;
  };
  INVACT_FUNCTION encoded forward(float g, float u) const {
    return {storage_traits<Storage>::round(g - u), 0u};
  }
  INVACT_FUNCTION gradients backward(float dh, Storage g, float u, uint32) const {
    return {dh * u, 2.0f * dh, forward(storage_traits<Storage>::load(g), u).h};
  }
};

}  // namespace host_test
