// Division of block indices by a number that only the host knows.
#pragma once

#include <invact/config.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// n / divisor for n below 2^31 and a divisor from 1 to 2^31 - 1, by a product: a division would take a kernel
// longer than several elements. The multiplier is m = ceil(2^(32 + shift) / divisor), where
// 2^shift < divisor <= 2^(shift + 1); so m < 2^32, and m * divisor - 2^(32 + shift) < divisor <= 2^(shift + 1),
// for which n * m / 2^(32 + shift) has the quotient's integer part as long as n < 2^31 (Granlund and
// Montgomery, "Division by Invariant Integers using Multiplication", PLDI 1994, theorem 4.2).
class fast_divisor {
 public:
  explicit fast_divisor(uint32 divisor) : divisor_(divisor) {
    while ((uint64{2} << shift_) < divisor) ++shift_;
    if (divisor > 1) {
      multiplier_ = static_cast<uint32>(((uint64{1} << (32 + shift_)) + divisor - 1) / divisor);
    }
  }

  INVACT_FUNCTION uint32 value() const { return divisor_; }
  INVACT_FUNCTION uint32 quotient(uint32 n) const {
    const uint32 high = static_cast<uint32>(uint64{n} * multiplier_ >> 32);
    return divisor_ == 1 ? n : high >> shift_;
  }

 private:
  uint32 divisor_;
  uint32 multiplier_ = 0;
  uint32 shift_ = 0;
};

}  // namespace detail

INVACT_NAMESPACE_END
