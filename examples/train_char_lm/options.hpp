// The command line.
#pragma once

#include "parameter_layout.hpp"
#include "sabotage.hpp"

#include <stdexcept>
#include <string>

namespace char_lm {

struct options {
  std::string text = CHAR_LM_DEFAULT_TEXT;  // a file, or a folder of sources
  block_kind block = block_kind::mlp;
  bool use_silu = false;
  bool use_cuda = false;
  int seeds = 4;
  int steps = 2000;
  sabotage how = sabotage::none;
  bool help = false;
};

inline constexpr const char* usage =
    "usage: train_char_lm [TEXT] [--block mlp|swiglu] [--activation gelu|silu] [--device cpu|cuda]\n"
    "                     [--seeds N] [--steps N] [--sabotage inverted-bits|left-one]\n"
    "\n"
    "Trains a character-level language model on TEXT (a file, or a folder of C++ sources; by default\n"
    "this library's own), with the activation's input saved, and with invact's bitmask and mantissa bit\n"
    "in its place; compares the three. With gated blocks, h = f(g) * u: with g, u and h saved, and with\n"
    "h and u, by either packing, or g and u in their place.\n"
    "\n"
    "  --block       mlp, the default, or swiglu, a gated one\n"
    "  --activation  gelu or silu; by default gelu in an mlp, silu in a gated block (with gelu a GeGLU)\n"
    "  --device      where to train: cpu, the default, or cuda, the first NVIDIA GPU\n"
    "  --seeds       independent trainings of each variant, 3 to 100; 4 by default\n"
    "  --steps       steps of each training, 50 to 1000000; 2000 by default\n"
    "  --sabotage    breaks the library's backward on purpose: exchanges the two pieces, or takes the left\n"
    "                one for a straight line of slope 1\n"
    "\n"
    "exit status: 0 all variants are equivalent, 1 one is not, 2 wrong usage, unreadable text, or no GPU\n";

// Throws std::invalid_argument that names the option.
inline int parse_count(const std::string& option, const std::string& text, int low, int high) {
  std::size_t used = 0;
  long value = 0;
  try {
    value = std::stol(text, &used);
  } catch (const std::logic_error&) {
    used = 0;
  }
  if (used == 0 || used != text.size() || value < low || value > high) {
    throw std::invalid_argument(option + " takes a number from " + std::to_string(low) + " to " +
                                std::to_string(high) + ", not \"" + text + "\"");
  }
  return static_cast<int>(value);
}

inline options parse(int argc, const char* const* argv) {
  options o;
  bool has_text = false;
  bool has_activation = false;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 == argc) throw std::invalid_argument(option + " takes a value");
      return argv[++i];
    };
    if (option == "--help" || option == "-h") {
      o.help = true;
    } else if (option == "--block") {
      const std::string name = value();
      if (name != "mlp" && name != "swiglu") {
        throw std::invalid_argument("--block is mlp or swiglu, not \"" + name + "\"");
      }
      o.block = name == "swiglu" ? block_kind::swiglu : block_kind::mlp;
    } else if (option == "--activation") {
      const std::string name = value();
      if (name != "gelu" && name != "silu") {
        throw std::invalid_argument("--activation is gelu or silu, not \"" + name + "\"");
      }
      o.use_silu = name == "silu";
      has_activation = true;
    } else if (option == "--device") {
      const std::string name = value();
      if (name != "cpu" && name != "cuda") {
        throw std::invalid_argument("--device is cpu or cuda, not \"" + name + "\"");
      }
      o.use_cuda = name == "cuda";
    } else if (option == "--seeds") {
      o.seeds = parse_count(option, value(), 3, 100);
    } else if (option == "--steps") {
      o.steps = parse_count(option, value(), 50, 1000000);
    } else if (option == "--sabotage") {
      const std::string name = value();
      if (name == "inverted-bits") {
        o.how = sabotage::inverted_bits;
      } else if (name == "left-one") {
        o.how = sabotage::left_one;
      } else {
        throw std::invalid_argument("--sabotage is inverted-bits or left-one, not \"" + name + "\"");
      }
    } else if (option.rfind('-', 0) == 0) {
      throw std::invalid_argument("unknown option " + option);
    } else if (has_text) {
      throw std::invalid_argument("one text only: \"" + o.text + "\" or \"" + option + "\"");
    } else {
      o.text = option;
      has_text = true;
    }
  }
  if (!has_activation) o.use_silu = o.block == block_kind::swiglu;
  return o;
}

}  // namespace char_lm
