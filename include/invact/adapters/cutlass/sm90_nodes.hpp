// Visitor nodes of SM90 epilogues for ops with a mask: the bitmask beside D, as the elementwise kernels and the host
// executor read and write it.
//
//   using op = invact::inverted<invact::gelu, cutlass::bfloat16_t>;
//   using stride = cutlass::gemm::TagToStrideC_t<LayoutD>;
//   // D = f(x), mask = pieces; x = alpha * acc + beta * C + bias
//   using forward = Sm90EVT<invact::epilogue::sm90_forward<op, stride>, Sm90LinCombPerColBias<...>>;
//   // D = (alpha * acc + beta * C) * f'(x), decoded from the forward's D and mask
//   using backward = Sm90EVT<invact::epilogue::sm90_backward<op, stride>, Sm90LinearCombination<...>, Sm90AuxLoad<...>>;
//   // and its sums over rows, the gradient of a bias for each column
//   using with_bias_gradient = Sm90EVT<Sm90RowReduction<...>, backward>;
//
// Op          inverted or scaled with 1, 2 or 4 mask bits an element, or without any (ptr_mask and stride are not read
//             then). Of inverted without any, CUTLASS's own nodes take the functors of
//             <invact/adapters/cutlass/functor.hpp>; sm90_backward spares them the way through float where y is C.
//             The fastest, with bitmask or mantissa_bit:
//             inverted<invact::gelu, cutlass::bfloat16_t, Packing, invact::packed, invact::packed>.
// StrideMNL   of the mask, in bits, contiguous along the dimension that D is: (dM, 1, dL) for a row-major D, (1, dN, dL)
//             for a column-major one.
// Arguments   {op, ptr_mask, stride}. ptr_mask is aligned to 16 bytes; strides are multiples of 128 bits, as those of
//             cuBLASLt's ReLU masks are, cover a row, and keep batches apart (0 where masks are read: one for all
//             batches); the op is valid, and its scale no null pointer. Else
//             can_implement() is false, which GemmUniversalAdapter returns as Status::kInvalid. The last row too has
//             as many bits as the stride says: they may be read.
//
// sm90_forward takes x, what the rest of the epilogue computed, from its child, and passes y on, in Op's storage type,
// which D's must be. It writes whole bytes of mask rows, with zeros behind the last element, and none behind them. An op
// with amax() raises that too.
// sm90_backward takes dy and y from its children, y as it is stored or as floats that were converted from it, and passes dx
// on in float. y may be C, read with Sm90SrcFetch, or an aux tensor.
//
// Both take accumulators as wgmma has them, of the collectives that the SM90 builder makes: cooperative and ping-pong,
// with any cluster, raster and scheduler, stream-K among them. A tile has a multiple of 32 columns, and as many elements
// that the mask bits of a thread fill whole words: with one bit, a multiple of 32 elements a thread.
#pragma once

#include <cutlass/numeric_conversion.h>

#include <invact/adapters/cutlass/functor.hpp>
#include <invact/adapters/cutlass/sm90_mask.hpp>

INVACT_NAMESPACE_BEGIN

namespace epilogue {

template <class Op, class StrideMNL>
struct sm90_forward : detail::sm90_mask_node<Op, StrideMNL, uint8> {
  using base = detail::sm90_mask_node<Op, StrideMNL, uint8>;
  using base::base;

  template <class TileMask>
  struct ConsumerStoreCallbacks : ::cutlass::epilogue::fusion::detail::EmptyConsumerStoreCallbacks {
    using storage = typename Op::storage_type;

    CUTLASS_DEVICE ConsumerStoreCallbacks(const Op& o, const TileMask& t) : op(o), mask(t) {}

    Op op;
    TileMask mask;
    invact::detail::amax_record<Op> largest;

    template <class ElementAccumulator, class ElementX, int N>
    CUTLASS_DEVICE ::cutlass::Array<storage, N> visit(const ::cutlass::Array<ElementAccumulator, N>&,
                                                      int epi_v, int epi_m, int epi_n,
                                                      const ::cutlass::Array<ElementX, N>& x) {
      static_assert(N % 2 == 0, "invact::epilogue::sm90_forward: wgmma's accumulators come in pairs");
      const auto as_float = ::cutlass::NumericArrayConverter<float, ElementX, N>{}(x);
      if constexpr (detail::encodes_pairs<Op>) {
        return visit_pairs(epi_v, epi_m, epi_n, as_float);
      } else {
        return visit_elements(epi_v, epi_m, epi_n, as_float);
      }
    }

    CUTLASS_DEVICE void end() {
      if constexpr (Op::mask_bits > 0) {
        if constexpr (detail::encodes_pairs<Op>) mask.from_pairs();
        mask.transpose();
        mask.for_each_run([&](uint8* to, int bits, uint32 word, int shift) {
          constexpr int most = TileMask::pieces::elements * Op::mask_bits;
          detail::store_bits<most>(to, most == 32 ? word : word >> shift, bits);
        });
      }
      if constexpr (invact::detail::has_amax<Op>) {
        if (op.amax() == nullptr) return;
        const int of_warp = __reduce_max_sync(0xffffffffu, static_cast<int>(largest.bits));
        if (mask.lane == 0) atomicMax(reinterpret_cast<int*>(op.amax()), of_warp);
      }
    }

   private:
    template <int N>
    CUTLASS_DEVICE ::cutlass::Array<storage, N> visit_pairs(int epi_v, int epi_m, int epi_n,
                                                            const ::cutlass::Array<float, N>& x) {
      fragment<uint32, N / 2> codes;
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < N; i += 2) {
        const auto both = op.forward_pair(x[i], x[i + 1]);
        codes[i / 2] = both.codes;
        if constexpr (Op::mask_bits > 0) {
          const auto at = mask.coordinate(epi_v * N + i, epi_m, epi_n);
          const auto place = TileMask::pieces::pair_place(::cute::get<0>(at), ::cute::get<1>(at));
          mask.pairs[place.index] |= both.pieces & 0x00010001u << place.shift;
        }
      }
      return invact::bit_cast<::cutlass::Array<storage, N>>(codes);
    }

    template <int N>
    CUTLASS_DEVICE ::cutlass::Array<storage, N> visit_elements(int epi_v, int epi_m, int epi_n,
                                                               const ::cutlass::Array<float, N>& x) {
      ::cutlass::Array<storage, N> y;
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < N; i += 2) {
        const fragment<float, 2> in{x[i], x[i + 1]};
        typename Op::template pieces<2> kept;
        fragment<storage, 2> out;
        const auto first = mask.coordinate(epi_v * N + i, epi_m, epi_n);
        const auto second = mask.coordinate(epi_v * N + i + 1, epi_m, epi_n);
        if constexpr (invact::detail::has_amax<Op>) {
          fragment<float, 2> values;
          out = op.forward(in, kept, values);
          largest.add(values[0], ::cute::elem_less(first, mask.residue));
          largest.add(values[1], ::cute::elem_less(second, mask.residue));
        } else {
          out = op.forward(in, kept);
        }
        y[i] = out[0];
        y[i + 1] = out[1];
        if constexpr (Op::mask_bits > 0 && !detail::is_m_major<StrideMNL>) {
          insert(static_cast<uint32>(kept.bits), first);  // those of `second` follow
        } else if constexpr (Op::mask_bits > 0) {
          insert(kept[0], first);
          insert(kept[1], second);
        }
      }
      return y;
    }

    template <class Coordinate>
    CUTLASS_DEVICE void insert(uint32 bits, const Coordinate& at) {
      const auto place = TileMask::place(::cute::get<0>(at), ::cute::get<1>(at));
      mask.words[place.index] |= bits << place.shift;
    }
  };

  template <bool ReferenceSrc, class... Args>
  CUTLASS_DEVICE auto get_consumer_store_callbacks(
      const ::cutlass::epilogue::fusion::detail::ConsumerStoreArgs<Args...>& args) {
    const auto mask = detail::make_tile_mask<Op, StrideMNL, uint8>(*this->params, args);
    return ConsumerStoreCallbacks<::cute::remove_cvref_t<decltype(mask)>>(this->params->op, mask);
  }
};

template <class Op, class StrideMNL>
struct sm90_backward : detail::sm90_mask_node<Op, StrideMNL, const uint8> {
  using base = detail::sm90_mask_node<Op, StrideMNL, const uint8>;
  using base::base;

  template <class TileMask>
  struct ConsumerStoreCallbacks : ::cutlass::epilogue::fusion::detail::EmptyConsumerStoreCallbacks {
    using storage = typename Op::storage_type;

    CUTLASS_DEVICE ConsumerStoreCallbacks(const Op& o, const TileMask& t) : op(o), mask(t) {}

    Op op;
    TileMask mask;

    CUTLASS_DEVICE void begin() {
      if constexpr (Op::mask_bits > 0) {
        mask.for_each_run([&](const uint8* from, int, uint32& word, int shift) {
          constexpr int most = TileMask::pieces::elements * Op::mask_bits;
          word |= detail::load_bits<most>(from) << (most == 32 ? 0 : shift);
        });
        // Its own inverse.
        mask.transpose();
        if constexpr (detail::decodes_pairs<Op>) mask.to_pairs();
      }
    }

    template <class ElementAccumulator, class ElementDy, class ElementY, int N>
    CUTLASS_DEVICE ::cutlass::Array<float, N> visit(const ::cutlass::Array<ElementAccumulator, N>&,
                                                    int epi_v, int epi_m, int epi_n,
                                                    const ::cutlass::Array<ElementDy, N>& dy,
                                                    const ::cutlass::Array<ElementY, N>& y) {
      const auto as_float = ::cutlass::NumericArrayConverter<float, ElementDy, N>{}(dy);
      ::cutlass::Array<float, N> dx;
      if constexpr (detail::decodes_pairs<Op>) {
        static_assert(N % 2 == 0, "invact::epilogue::sm90_backward: wgmma's accumulators come in pairs");
        const fragment<uint32, N / 2> codes = words_of(y);
        constexpr int group = N % 16 == 0 ? 16 : 2;
        CUTLASS_PRAGMA_UNROLL
        for (int from = 0; from < N; from += group) {
          fragment<float, group> of_group;
          fragment<uint32, group / 2> of_codes, pieces{};
          CUTLASS_PRAGMA_UNROLL
          for (int i = 0; i < group; ++i) {
            of_group[i] = as_float[from + i];
            if (i % 2 == 1) continue;
            of_codes[i / 2] = codes[(from + i) / 2];
            if constexpr (Op::mask_bits > 0) {
              const auto at = mask.coordinate(epi_v * N + from + i, epi_m, epi_n);
              const auto place = TileMask::pieces::pair_place(::cute::get<0>(at), ::cute::get<1>(at));
              pieces[i / 2] = mask.pairs[place.index] << (15 - place.shift);
            }
          }
          of_group = op.backward_pairs(of_group, of_codes, pieces);
          CUTLASS_PRAGMA_UNROLL
          for (int i = 0; i < group; ++i) dx[from + i] = of_group[i];
        }
      } else {
        CUTLASS_PRAGMA_UNROLL
        for (int i = 0; i < N; ++i) {
          storage stored;
          if constexpr (invact::detail::is_same_v<ElementY, storage>) {
            stored = y[i];
          } else {
            stored = detail::exactly<storage>(static_cast<float>(y[i]));
          }
          dx[i] = op.backward(as_float[i], stored, piece(mask.coordinate(epi_v * N + i, epi_m, epi_n)));
        }
      }
      return dx;
    }

   private:
    template <class ElementY, int N>
    CUTLASS_DEVICE static fragment<uint32, N / 2> words_of(const ::cutlass::Array<ElementY, N>& y) {
      if constexpr (invact::detail::is_same_v<ElementY, storage>) {
        return invact::bit_cast<fragment<uint32, N / 2>>(y);
      } else {
        fragment<uint32, N / 2> codes;
        CUTLASS_PRAGMA_UNROLL
        for (int i = 0; i < N; i += 2) codes[i / 2] = detail::bfloat16_codes(y[i], y[i + 1]);
        return codes;
      }
    }
    template <class Coordinate>
    CUTLASS_DEVICE uint32 piece(const Coordinate& at) const {
      const auto place = TileMask::place(::cute::get<0>(at), ::cute::get<1>(at));
      if constexpr (Op::mask_bits == 0) {
        return 0;
      } else if constexpr (Op::mask_bits == 1) {
        return has_bits(mask.words[place.index], 1u << place.shift);
      } else {
        return mask.words[place.index] >> place.shift & ((1u << Op::mask_bits) - 1u);
      }
    }
  };

  template <bool ReferenceSrc, class... Args>
  CUTLASS_DEVICE auto get_consumer_store_callbacks(
      const ::cutlass::epilogue::fusion::detail::ConsumerStoreArgs<Args...>& args) {
    const auto mask = detail::make_tile_mask<Op, StrideMNL, const uint8>(*this->params, args);
    return ConsumerStoreCallbacks<::cute::remove_cvref_t<decltype(mask)>>(this->params->op, mask);
  }
};

}  // namespace epilogue

INVACT_NAMESPACE_END
