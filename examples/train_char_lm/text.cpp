#include "text.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace char_lm {
namespace {

namespace fs = std::filesystem;

// The text is cut into chunks of this many characters, of which each tenth is held out: held-out text
// is of every file, and no window reaches from one chunk into another.
constexpr std::size_t chunk_size = 2048;
constexpr std::size_t chunks_per_held_out = 10;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return text;
}

bool is_source(const fs::path& path) {
  // Tables of coefficients are digits: nothing in them can be learned.
  if (path.parent_path().filename() == "coefficients") return false;
  static const std::array<const char*, 4> extensions = {".hpp", ".cpp", ".cuh", ".cu"};
  return std::find(extensions.begin(), extensions.end(), path.extension()) != extensions.end();
}

}  // namespace

corpus::corpus(const std::string& text, int context) : context_(static_cast<std::size_t>(context)) {
  characters_ = text;
  std::sort(characters_.begin(), characters_.end());
  characters_.erase(std::unique(characters_.begin(), characters_.end()), characters_.end());
  std::array<token, 256> code{};
  for (std::size_t i = 0; i < characters_.size(); ++i) {
    code[static_cast<unsigned char>(characters_[i])] = static_cast<token>(i);
  }
  tokens_.reserve(text.size());
  for (const char c : text) tokens_.push_back(code[static_cast<unsigned char>(c)]);

  for (std::size_t position = 0; position < tokens_.size(); ++position) {
    if (position % chunk_size < context_) continue;
    const bool held = position / chunk_size % chunks_per_held_out == chunks_per_held_out - 1;
    (held ? held_out_ : training_).push_back(position);
  }
  if (characters_.size() < 2) {
    throw std::runtime_error("the text has fewer than two different characters: nothing to learn");
  }
  if (held_out_.empty()) {
    throw std::runtime_error("the text has " + std::to_string(text.size()) + " characters: at least " +
                             std::to_string(chunk_size * chunks_per_held_out) +
                             " are needed for a held-out part");
  }
}

batch::batch(const corpus& text, const std::vector<std::size_t>& positions)
    : context_(text.context()) {
  for (const std::size_t position : positions) {
    const token* const window = text.window(position);
    windows_.insert(windows_.end(), window, window + context_);
    targets_.push_back(text.target(position));
  }
}

batch draw(const corpus& text, int size, std::mt19937_64& random) {
  std::vector<std::size_t> positions(static_cast<std::size_t>(size));
  for (std::size_t& position : positions) {
    position = text.training()[random() % text.training().size()];
  }
  return {text, positions};
}

std::string read_text(const fs::path& path) {
  if (!fs::is_directory(path)) return read_file(path);
  std::vector<fs::path> files;
  for (const char* const folder : {"include", "examples", "test", "bench"}) {
    if (!fs::is_directory(path / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(path / folder)) {
      if (entry.is_regular_file() && is_source(entry.path())) files.push_back(entry.path());
    }
  }
  if (fs::exists(path / "README.md")) files.push_back(path / "README.md");
  // A folder is listed in no particular order, and the order decides which chunks are held out.
  std::sort(files.begin(), files.end());
  std::string text;
  for (const fs::path& file : files) text += read_file(file);
  return text;
}

}  // namespace char_lm
