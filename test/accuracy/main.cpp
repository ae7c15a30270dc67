// accuracy_report [--csv | --markdown | --check | --cells] [--device cuda] [--only TEXT]
//
// How accurate every activation is in every storage format, packing and approximant, a line each, over
// every code of 8- and 16-bit formats (FP8: of eight scales of y in [1, 2) the one with the largest error over
// its floor; with refined_bitmask over a grid of x, and over the floor of the code alone); of float over every
// code next to the ends of the monotone pieces and a sample of the others.
// --check compares with what the library promises, of other parameters than the default ones too, and fails
// where it does not hold. --cells prints what plot.py draws: each stored code with the range of the exact
// gradient factor over all x that it stands for, and the decoded one. --only chooses rows by a part of
// their name, which is "activation storage packing approximant".
//
// Exit status: 0, 1 where --check finds something, 2 for wrong arguments, 77 where there is no GPU to run on.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "accuracy/rows.hpp"
#include "support/start.hpp"

namespace {

enum class output { csv, markdown, check, cells };

int usage() {
  std::fprintf(stderr, "usage: accuracy_report [--csv | --markdown | --check | --cells] "
               "[--device cuda] [--only TEXT]\n");
  return 2;
}

// An error over the floor; 1 where both are 0.
double ratio(double error, double floor) { return error == 0 && floor == 0 ? 1 : error / floor; }

void print_csv(const report::row& r, const report::result& got) {
  const accuracy::gradient_error& g = got.gradient;
  std::printf("%s,%s,%s,%s,%.4e,%.4e,%.4f,%.4e,%.4e,%.4f,%.4e,%.4e,%.4f,%.2e,%.4f,%.5f\n", r.activation.c_str(),
              r.storage.c_str(), r.packing.c_str(), r.approximant.c_str(), g.largest, g.largest_floor,
              ratio(g.largest, g.largest_floor), g.rms[0], g.rms_floor[0], ratio(g.rms[0], g.rms_floor[0]), g.rms[1],
              g.rms_floor[1], ratio(g.rms[1], g.rms_floor[1]), g.bias, got.forward.largest, got.forward.bias);
}

void print_markdown(const report::row& r, const report::result& got) {
  const accuracy::gradient_error& g = got.gradient;
  std::printf("| %s | %s | %s | %s | %.2e (%.3f) | %.2e (%.3f) | %.2e (%.3f) | %+.1e | %.3f (%+.4f) |\n",
              r.activation.c_str(), r.storage.c_str(), r.packing.c_str(), r.approximant.c_str(), g.largest,
              ratio(g.largest, g.largest_floor), g.rms[0], ratio(g.rms[0], g.rms_floor[0]), g.rms[1],
              ratio(g.rms[1], g.rms_floor[1]), g.bias, got.forward.largest, got.forward.bias);
}

void print_cells(const report::row& r) {
  const auto cells = reference::cells(reference::find(r.activation), r.format, r.index);
  accuracy::codes y, piece;
  for (const reference::cell& c : cells) {
    y.push_back(c.code);
    piece.push_back(static_cast<std::uint32_t>(c.piece));
  }
  std::vector<float> g;
  r.variants.front().run.gradient(y, piece, g);
  for (std::size_t i = 0; i < cells.size(); ++i)
    std::printf("%s,%s,%s,%s,%.9g,%d,%.9g,%.9g,%.9g\n", r.activation.c_str(), r.storage.c_str(), r.packing.c_str(),
                r.approximant.c_str(), reference::decode(r.format, cells[i].code), cells[i].piece, cells[i].g_low,
                cells[i].g_high, static_cast<double>(g[i]));
}

}  // namespace

int main(int argc, char** argv) {
  output as = output::markdown;
  bool on_device = false;
  std::string only;
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    if (a == "--csv") {
      as = output::csv;
    } else if (a == "--markdown") {
      as = output::markdown;
    } else if (a == "--check") {
      as = output::check;
    } else if (a == "--cells") {
      as = output::cells;
    } else if (a == "--device" && i + 1 < argc && (std::strcmp(argv[i + 1], "cuda") == 0 ||
                                                   std::strcmp(argv[i + 1], "host") == 0)) {
      on_device = std::strcmp(argv[++i], "cuda") == 0;
    } else if (a == "--only" && i + 1 < argc) {
      only = argv[++i];
    } else {
      return usage();
    }
  }
  const bool flushes = invact_test_start();
  std::vector<report::row> rows = on_device ? report::device_rows() : report::host_rows();
  for (report::row& r : on_device ? report::device_cell_rows() : report::host_cell_rows())
    rows.push_back(std::move(r));
  if (rows.empty()) {
    std::fprintf(stderr, "skipped: this program or this machine has no CUDA device\n");
    return 77;
  }
  if (as == output::csv)
    std::printf("activation,storage,packing,approximant,max_error,max_floor,max_ratio,rms_n1,rms_n1_floor,"
                "rms_n1_ratio,rms_n2,rms_n2_floor,rms_n2_ratio,bias_n1,forward_max_ulp,forward_bias_ulp\n");
  if (as == output::markdown)
    std::printf("| activation | storage | packing | approximant | largest error of g (over its floor) | RMS, N(0,1) | "
                "RMS, N(0,2) | bias, N(0,1) | forward, ULP (bias) |\n|---|---|---|---|---|---|---|---|---|\n");
  if (as == output::cells) std::printf("activation,storage,packing,approximant,y,piece,g_low,g_high,g\n");
  int failures = 0;
  int done = 0;
  // Rows are measured side by side and printed in order.
#if defined(_OPENMP)
#pragma omp parallel for ordered schedule(dynamic)
#endif
  for (int i = 0; i < static_cast<int>(rows.size()); ++i) {
    const report::row& r = rows[static_cast<std::size_t>(i)];
    if (r.name().find(only) == std::string::npos) continue;
    if (as == output::cells) {
#if defined(_OPENMP)
#pragma omp ordered
#endif
      if (!r.refines) print_cells(r);
      continue;
    }
    const std::string text = as == output::check ? report::check(r, flushes) : "";
    const report::result got = as == output::check ? report::result{} : report::measure_worst(r, flushes);
#if defined(_OPENMP)
#pragma omp ordered
#endif
    {
      if (as == output::csv) print_csv(r, got);
      if (as == output::markdown) print_markdown(r, got);
      std::fputs(text.c_str(), stdout);
      std::fflush(stdout);
      failures += !text.empty();
      std::fprintf(stderr, "\r%d of %zu", ++done, rows.size());
    }
  }
  std::fprintf(stderr, "\n");
  if (as == output::check) std::printf("%d rows, %d broken\n", done, failures);
  return failures == 0 ? 0 : 1;
}
