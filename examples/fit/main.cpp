// Writes include/invact/coefficients/: every table of the library, fitted here.
//
//   fit_coefficients OUTPUT_FOLDER CHOICES            regenerates the tables of a file of choices, and checks that
//                                                     no step away from any of them is better
//   fit_coefficients --search CHOICES [NAME...]       finds choices, of the named activations (gelu) or of one variant
//                                                     of their tables (gelu/by_cell), or of all, and writes them to
//                                                     the file
//
// A gradient table is a weighted least-squares fit over the storage format's own cells (cells.hpp), judged in float by
// the library's approximant. What the fit depends on, y_min shifts and the saturation point, is found by search.
//
// Exit status: 0, 1 where a choice is no optimum or something fails, 2 for wrong arguments.
#include <cstdio>
#include <fstream>

#include "header.hpp"
#include "hyperbolic.hpp"

namespace {

using namespace fit;

int regenerate_all(const std::string& folder, const choices& all) {
  int failures = 0;
  for (const entry& e : catalogue())
    write(folder + "/" + e.of.name + ".hpp",
          header(e.of, "examples/fit (fit_coefficients, from choices.txt)", tables_of(e, all, failures)));
  write(folder + "/hyperbolic.hpp", fit_hyperbolic());
  return failures;
}

void search_all(const std::string& path, const std::vector<std::string>& names) {
  choices all;
  if (std::ifstream(path)) all = read_choices(path);
  for (const entry& e : catalogue()) {
    const auto found = [&] { write_choices(path, all); };
    if (names.empty()) search(e, all, found);
    for (const std::string& name : names) {
      const std::size_t slash = std::min(name.find('/'), name.size());
      if (name.substr(0, slash) == e.of.name) search(e, all, found, slash < name.size() ? name.substr(slash + 1) : "");
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() >= 2 && arguments[0] == "--search") {
      search_all(arguments[1], {arguments.begin() + 2, arguments.end()});
      return 0;
    }
    if (arguments.size() == 2 && arguments[0].rfind("--", 0) != 0)
      return regenerate_all(arguments[0], read_choices(arguments[1])) == 0 ? 0 : 1;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "fit_coefficients: %s\n", failure.what());
    return 1;
  }
  std::fprintf(stderr, "usage: fit_coefficients OUTPUT_FOLDER CHOICES | --search CHOICES [NAME...]\n");
  return 2;
}
