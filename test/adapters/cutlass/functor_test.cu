// The functors and SM80's output operators on the host: every activation of the catalogue, in every type that D has.
#include <invact/adapters/cutlass/functor.hpp>
#include <invact/adapters/cutlass/linear_combination_backward.hpp>
#include <invact/invact.hpp>

#include <cutlass/epilogue/thread/linear_combination_generic.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "support/catch.hpp"

namespace {

using namespace invact;

constexpr int count = 8;
template <class T>
using array = cutlass::Array<T, count>;

// N(0, 2), then what is special.
std::vector<float> inputs() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> x;
  for (int i = 0; i < 1000; ++i) x.push_back(normal(random));
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float special :
       {0.0f, -0.0f, infinity, -infinity, std::nanf(""), 1e-30f, -1e-30f, -200.0f, 3e38f})
    x.push_back(special);
  while (x.size() % count != 0) x.push_back(1);
  return x;
}

// Of types of as many bytes.
template <class A, class B>
bool same(const A a, const B b) {
  static_assert(sizeof a == sizeof b);
  return std::memcmp(&a, &b, sizeof a) == 0;
}

// What CUTLASS's Sm90Compute does with a functor: with arguments where it has any.
template <class Functor, class = void>
inline constexpr bool has_arguments = false;
template <class Functor>
inline constexpr bool has_arguments<Functor, std::void_t<typename Functor::Arguments>> = true;
template <class Functor, class... Inputs>
auto call(const Inputs&... inputs) {
  if constexpr (has_arguments<Functor>) {
    return Functor{}(inputs..., typename Functor::Arguments{});
  } else {
    return Functor{}(inputs...);
  }
}

// Own is the library's type of the same format, so that the op is compiled from other types than the functor's.
template <class Activation, class Storage, class Own, class Approximant = accurate,
          class Evaluator = default_evaluator>
void check(const char* name) {
  using op = inverted<Activation, Storage, mantissa_bit, Approximant, Evaluator>;
  using own = inverted<Activation, Own, mantissa_bit, Approximant, Evaluator>;
  using forward = typename epilogue::forward<op>::template functor<array<float>>;
  using backward = typename epilogue::backward<op>::template functor<array<float>>;
  using generic =
      cutlass::epilogue::thread::LinearCombinationGeneric<epilogue::forward<op>::template functor, Storage,
                                                          count, float, float>;
  using generic_backward = epilogue::linear_combination_backward<op, Storage, count>;
  static_assert(has_arguments<forward> == !std::is_empty<Activation>::value);

  INFO(name << " in " << sizeof(Storage) << " bytes");
  int wrong_forward = 0, wrong_backward = 0, wrong_generic = 0;
  const std::vector<float> all = inputs();
  for (std::size_t from = 0; from < all.size(); from += count) {
    array<float> x, dy, y_as_float;
    for (int i = 0; i < count; ++i) {
      x[i] = all[from + i];
      dy[i] = all[all.size() - 1 - from - i];
    }
    const array<Storage> y = call<forward>(x);
    const array<float> converted = call<forward>(x);
    for (int i = 0; i < count; ++i) y_as_float[i] = static_cast<float>(y[i]);
    const array<float> dx = call<backward>(dy, y_as_float);

    typename generic::Params twice(2.0f);
    array<float> half;
    for (int i = 0; i < count; ++i) half[i] = x[i] / 2;
    const array<Storage> of_generic = generic(twice)(half);
    typename generic_backward::Params third;
    third.alpha = 3;
    const array<Storage> rounded = generic_backward(third)(dy, y);

    for (int i = 0; i < count; ++i) {
      const Own expected = own{}.forward(x[i]).y;
      wrong_forward += !same(Storage(y[i]), expected);
      const float loaded = storage_traits<Own>::load(expected);
      wrong_forward += !same(converted[i], loaded) && !(std::isnan(converted[i]) && std::isnan(loaded));
      const float factor = own{}.gradient_factor(expected);
      const auto is_product = [&](float got, float scale) {
        const float want = scale * dy[i] * factor;
        return same(got, want) || (std::isnan(got) && std::isnan(want));
      };
      wrong_backward += !is_product(dx[i], 1);
      const Own third_dx = storage_traits<Own>::round(3 * dy[i] * factor);
      if (!std::isnan(3 * dy[i] * factor)) wrong_generic += !same(Storage(rounded[i]), third_dx);
      if (!std::isnan(x[i]) && std::fabs(x[i]) > 1e-30f && std::fabs(x[i]) < 1e38f)
        wrong_generic += !same(Storage(of_generic[i]), expected);
    }
  }
  CHECK(wrong_forward == 0);
  CHECK(wrong_backward == 0);
  CHECK(wrong_generic == 0);
}

}  // namespace

TEST_CASE("functors and output operators give what the op gives, bit for bit") {
#define INVACT_CHECK(name)                                   \
  check<invact::name, cutlass::bfloat16_t, bfloat16>(#name); \
  check<invact::name, cutlass::half_t, binary16>(#name);     \
  check<invact::name, float, float>(#name);
  INVACT_CATALOGUE(INVACT_CHECK)
#undef INVACT_CHECK
}

TEST_CASE("functors of packed ops give what the op gives, bit for bit") {
  check<gelu, cutlass::bfloat16_t, bfloat16, packed, packed>("gelu");
  check<gelu_tanh, cutlass::bfloat16_t, bfloat16, packed, packed>("gelu_tanh");
  check<silu, cutlass::bfloat16_t, bfloat16, packed, packed>("silu");
}

TEST_CASE("parameters go through a functor's arguments") {
  using op = inverted<swish, cutlass::bfloat16_t, mantissa_bit>;
  using own = inverted<swish, bfloat16, mantissa_bit>;
  const epilogue::forward<op>::functor<float>::Arguments forward_arguments{swish{1.75f}};
  const epilogue::backward<op>::functor<float>::Arguments backward_arguments{swish{1.75f}};
  const own expected(swish{1.75f});
  for (const float x : inputs()) {
    const float y = epilogue::forward<op>::functor<float>{}(x, forward_arguments);
    const bfloat16 want = expected.forward(x).y;
    if (std::isnan(x)) continue;
    CHECK(y == storage_traits<bfloat16>::load(want));
    CHECK(epilogue::backward<op>::functor<float>{}(0.5f, y, backward_arguments) ==
          expected.backward(0.5f, want));
  }
}
