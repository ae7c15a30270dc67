// The same use of the library in both translation units: nothing may be defined twice or differ.
#pragma once

float answer_of_first();
float answer_of_second();

#define INVACT_TEST_ANSWER(name)                                                      \
  float name() {                                                                      \
    using op = invact::inverted<invact::gelu, invact::bfloat16>;                       \
    float x[3] = {-1.0f, 0.5f, 2.0f}, dx[3];                                           \
    invact::bfloat16 y[3];                                                            \
    invact::uint8 mask[1];                                                            \
    invact::host::forward(op{}, 3, x, y, mask);                                       \
    invact::host::backward(op{}, 3, x, y, mask, dx);                                  \
    return dx[0] + dx[1] + dx[2] + op{}.backward(1.0f, y[0], 1u);                     \
  }
