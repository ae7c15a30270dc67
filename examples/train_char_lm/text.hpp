// The text, its characters, and its split into training and held-out parts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace char_lm {

using token = std::uint8_t;

// Text as tokens: the vocabulary is the bytes that occur.
class corpus {
 public:
  // Throws std::runtime_error where there is too little text to learn from.
  corpus(const std::string& text, int context);

  int vocabulary() const { return static_cast<int>(characters_.size()); }
  char character(token t) const { return characters_[t]; }
  std::size_t size() const { return tokens_.size(); }
  std::size_t context() const { return context_; }
  // The `context` tokens before a position and the token at it.
  const token* window(std::size_t position) const { return tokens_.data() + position - context_; }
  token target(std::size_t position) const { return tokens_[position]; }

  const std::vector<std::size_t>& training() const { return training_; }
  const std::vector<std::size_t>& held_out() const { return held_out_; }

 private:
  std::size_t context_;
  std::string characters_;
  std::vector<token> tokens_;
  std::vector<std::size_t> training_;
  std::vector<std::size_t> held_out_;
};

// Windows of the text and the tokens that follow them.
class batch {
 public:
  batch(const corpus& text, const std::vector<std::size_t>& positions);
  // One window, whose target is unknown and counts as 0.
  batch(std::size_t context, std::vector<token> window)
      : context_(context), windows_(std::move(window)), targets_(1) {}

  int size() const { return static_cast<int>(targets_.size()); }
  // The `context` tokens of window i, and the token after it.
  const token* window(int i) const { return windows_.data() + static_cast<std::size_t>(i) * context_; }
  token target(int i) const { return targets_[static_cast<std::size_t>(i)]; }
  // All of them, one window after the other.
  const std::vector<token>& windows() const { return windows_; }
  const std::vector<token>& targets() const { return targets_; }

 private:
  std::size_t context_;
  std::vector<token> windows_;
  std::vector<token> targets_;
};

// `size` windows of the training part, drawn with replacement.
batch draw(const corpus& text, int size, std::mt19937_64& random);

// The file's bytes; for a folder, the text of the sources and README below it.
std::string read_text(const std::filesystem::path& path);

}  // namespace char_lm
