// gated_report [--csv | --markdown | --check | --placement] [--device cuda] [--only TEXT]
//
// How accurate the gated units of every activation are in every storage format, packing and approximant, a line each,
// for g, u ~ N(0, 1) and u of the storage format; and beside them what keeps y and u (`stored y`), or g and u (`g`).
// Errors of dg are RMS over dh = 1, and of f' the largest, with the ratio to the floor: what the best decoder of
// (h, u, piece) has. --placement tells what the piece costs beside h, in h's lowest bit and in u's, of an h that is to
// be f(g) times a u of float, or of the storage format. --check compares with what the library promises. --only chooses
// rows by a part of their name, which is "activation storage packing approximant".
//
// Exit status: 0, 1 where --check finds something, 2 for wrong arguments, 77 where there is no GPU to run on.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "accuracy/gated_rows.hpp"
#include "support/bounds.hpp"
#include "support/start.hpp"

namespace {

enum class output { csv, markdown, check, placement };

constexpr int samples = 1 << 15;

struct result {
  accuracy::gated_error gradient;
  accuracy::gated_forward_error forward;
};

const char* shown(report::keeps kept) {
  return kept == report::keeps::h ? "h" : kept == report::keeps::y ? "y" : "g";
}

result measure(const report::gated_row& r, bool flushes) {
  const accuracy::gated_samples at = accuracy::normal_samples(samples, r.of.storage);
  result got;
  if (r.kept == report::keeps::g) {
    got.gradient = accuracy::measure_recomputed(r.run, r.of, at);
  } else {
    got.gradient = accuracy::measure_gated(r.run, r.of, at, accuracy::edge_samples(r.of.f, r.of.storage));
    got.forward =
        accuracy::measure_gated_forward(r.run, r.of, at, reference::smallest_result(r.of.storage, flushes));
  }
  return got;
}

void print_csv(const report::gated_row& r, const result& got) {
  const accuracy::gated_error& g = got.gradient;
  std::printf("%s,%s,%s,%s,%s,%.4e,%.4e,%.4e,%.4f,%.2e,%.4e,%.4e,%.4e,%.4f,%.4e,%.2e,%.4e,%.4f,%.5f\n",
              r.unit.c_str(), r.storage.c_str(), r.packing.c_str(), r.approximant.c_str(), shown(r.kept),
              g.dg, g.dg_of_cells, g.dg_floor, g.ratio(), g.dg_bias, g.dg_largest, g.factor, g.factor_floor,
              g.factor_ratio(), g.du, g.du_bias, g.du_largest, got.forward.largest, got.forward.bias);
}

void print_markdown(const report::gated_row& r, const result& got) {
  const accuracy::gated_error& g = got.gradient;
  std::printf("| %s | %s | %s | %s | %s | ", r.unit.c_str(), r.storage.c_str(), shown(r.kept),
              r.packing.c_str(), r.approximant.c_str());
  if (r.kept == report::keeps::g) {
    std::printf("%.2e | %+.1e | %.2e | | %.2e | %.2e | |\n", g.dg, g.dg_bias, g.dg_largest, g.du,
                g.du_largest);
    return;
  }
  std::printf("%.2e (%.3f) | %+.1e | %.2e | %.2e (%.3f) | %.2e | %.2e | %.3f (%+.4f) |\n", g.dg_of_cells,
              g.ratio(), g.dg_bias, g.dg_largest, g.factor, g.factor_ratio(), g.du, g.du_largest,
              got.forward.largest, got.forward.bias);
}

std::string broken_promises(const report::gated_row& r, const result& got) {
  std::string text;
  const auto at_most = [&](const char* what, double is, double most) {
    if (is <= most) return;
    char line[200];
    std::snprintf(line, sizeof line, "FAILED: %s: %s is %.4g, more than %.4g\n", r.name().c_str(), what, is,
                  most);
    text += line;
  };
  if (r.kept != report::keeps::h) return text;
  const accuracy::gated_error& g = got.gradient;
  at_most("the largest error of h in ULP", got.forward.largest, accuracy::gated_ulp(r.of));
  if (r.of.storage.mantissa_bits == 23) {
    at_most("the RMS error of dg", g.dg, bounds::gated_float_rms);
    return text;
  }
  at_most("the mean error of h in ULP", std::fabs(got.forward.bias), bounds::mean_ulp);
  const bounds::gradient most = r.approximant == "fast" ? bounds::gated_fast : bounds::gated_accurate;
  at_most("the largest error of f' over the floor", g.factor_ratio(), most.largest);
  at_most("the RMS error of dg over the floor", g.ratio(), most.rms);
  // What was measured, not expected of the cells: there is some chance in it.
  at_most("the RMS error of dg as measured", g.dg, 1.1 * g.dg_of_cells + 1e-8);
  return text;
}

// ---- where the piece goes --------------------------------------------------------------------------------------

struct placement_errors {
  double h = 0, h_bias = 0, dg = 0, du = 0;  // h in ULP, all of them RMS but for the bias
};

// What (h, u') makes of a forward that was to be f(g) * u, where u' is what is kept of u.
placement_errors measure_placement(const report::placement_row& r, const accuracy::gated_runner& run,
                                   const std::vector<float>& g, const std::vector<double>& u,
                                   const std::vector<float>& kept_u, bool bit_in_u) {
  accuracy::codes h, piece;
  std::vector<float> dg, du;
  run.forward(g, kept_u, h, piece);
  if (bit_in_u) {
    // The piece is what u's lowest bit says, where y is ambiguous.
    for (std::size_t i = 0; i < g.size(); ++i) {
      const std::uint32_t code = reference::encode(r.of.storage, accuracy::exact_value(kept_u[i]));
      piece[i] = r.of.f.value(accuracy::exact_value(g[i])) < 0 ? code & 1u : 0u;
    }
  }
  run.backward(h, kept_u, piece, dg, du);
  placement_errors e;
  long counted = 0;
  for (std::size_t i = 0; i < g.size(); ++i) {
    const double x = accuracy::exact_value(g[i]), y = r.of.f.value(x), want = y * u[i];
    const double dg_off = accuracy::exact_value(dg[i]) - u[i] * r.of.f.derivative(x),
                 du_off = accuracy::exact_value(du[i]) - y;
    e.dg += dg_off * dg_off;
    e.du += du_off * du_off;
    // Of a smaller u h is that of least_multiplier.
    if (std::fabs(want) < reference::decode(r.of.storage, r.of.storage.min_normal()) ||
        std::fabs(u[i]) < r.of.least_multiplier)
      continue;
    const double off = reference::code_position(r.of.storage, reference::decode(r.of.storage, h[i])) -
                       reference::code_position(r.of.storage, want);
    e.h += off * off;
    e.h_bias += off;
    ++counted;
  }
  const double n = static_cast<double>(g.size());
  e.h = std::sqrt(e.h / static_cast<double>(counted));
  e.h_bias /= static_cast<double>(counted);
  e.dg = std::sqrt(e.dg / n);
  e.du = std::sqrt(e.du / n);
  return e;
}

// The nearest number of the storage whose lowest bit is `bit`; of two, the one whose next bit is 0.
float with_lowest_bit(reference::format storage, double u, std::uint32_t bit) {
  const std::uint32_t nearest = reference::encode(storage, u), sign = nearest & storage.sign();
  const std::uint32_t magnitude = nearest & (storage.sign() - 1);
  std::uint32_t best = magnitude;
  if ((magnitude & 1u) != bit) {
    const std::uint32_t up = magnitude + 1, down = magnitude == 0 ? 1 : magnitude - 1;
    const double at = reference::code_position(storage, std::fabs(u));
    const double to_up = up - at, to_down = at - down;
    best = to_up < to_down ? up : to_down < to_up ? down : (up & 2u) == 0 ? up : down;
  }
  return static_cast<float>(reference::decode(storage, best | sign));
}

void print_placement(const report::placement_row& r) {
  const reference::function& f = r.of.f;
  for (const bool is_stored : {true, false}) {
    std::vector<float> g, rounded, with_bit;
    std::vector<double> u;
    const accuracy::gated_samples at =
        accuracy::normal_samples(1 << 17, is_stored ? r.of.storage : reference::binary32);
    for (std::size_t i = 0; i < at.g.size(); ++i) {
      const double x = accuracy::exact_value(at.g[i]), v = accuracy::exact_value(at.u[i]);
      g.push_back(at.g[i]);
      u.push_back(v);
      rounded.push_back(accuracy::stored_in(r.of.storage, v));
      int piece = 0;
      for (const reference::segment& s : f.of->segments(f.p))
        if (x >= s.from && x < s.to) piece = s.piece;
      with_bit.push_back(f.value(x) < 0
                             ? with_lowest_bit(r.of.storage, v, static_cast<std::uint32_t>(piece))
                             : rounded.back());
    }
    const auto line = [&](const char* where, const placement_errors& e) {
      std::printf("| %s | %s | %s | %s | %.3f | %+.4f | %.3e | %.3e |\n", r.unit.c_str(), r.storage.c_str(),
                  is_stored ? r.storage.c_str() : "float", where, e.h, e.h_bias, e.dg, e.du);
    };
    line("beside h", measure_placement(r, r.beside, g, u, rounded, false));
    line("h", measure_placement(r, r.in_h, g, u, rounded, false));
    line("u", measure_placement(r, r.beside, g, u, with_bit, true));
  }
}

int usage() {
  std::fprintf(stderr, "usage: gated_report [--csv | --markdown | --check | --placement] [--device cuda] "
               "[--only TEXT]\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  output as = output::markdown;
  std::string only;
  bool on_device = false;
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    if (a == "--csv") {
      as = output::csv;
    } else if (a == "--markdown") {
      as = output::markdown;
    } else if (a == "--check") {
      as = output::check;
    } else if (a == "--placement") {
      as = output::placement;
    } else if (a == "--device" && i + 1 < argc && std::strcmp(argv[i + 1], "cuda") == 0) {
      on_device = true;
      ++i;
    } else if (a == "--only" && i + 1 < argc) {
      only = argv[++i];
    } else {
      return usage();
    }
  }
  const bool flushes = invact_test_start();
  if (as == output::placement) {
    std::printf(
        "| activation | storage | u is | piece in | h, RMS in ULP | bias | dg, RMS | du, RMS |\n"
        "|---|---|---|---|---|---|---|---|\n");
    for (const report::placement_row& r : report::host_placement_rows()) print_placement(r);
    return 0;
  }
  if (as == output::csv)
    std::printf(
        "activation,storage,packing,approximant,keeps,dg_rms,dg_rms_of_cells,dg_rms_floor,dg_ratio,dg_bias,"
        "dg_largest,factor_largest,factor_floor,factor_ratio,du_rms,du_bias,du_largest,forward_max_ulp,"
        "forward_bias_ulp\n");
  if (as == output::markdown)
    std::printf(
        "| activation | storage | keeps u and | packing | approximant | dg, RMS (over its floor) | bias | "
        "largest | "
        "f', largest (over its floor) | du, RMS | largest | h, ULP (bias) |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  std::vector<report::gated_row> rows = on_device ? report::device_gated_rows() : report::host_gated_rows();
  if (on_device && rows.empty()) {
    std::fprintf(stderr, "skipped: no GPU, or a program without its rows\n");
    return 77;
  }
  if (!on_device)
    for (report::gated_row& r : report::host_gated_more_rows()) rows.push_back(std::move(r));
  int failures = 0, done = 0;
  // Rows are measured side by side and printed in order.
#if defined(_OPENMP)
#pragma omp parallel for ordered schedule(dynamic)
#endif
  for (int i = 0; i < static_cast<int>(rows.size()); ++i) {
    const report::gated_row& r = rows[static_cast<std::size_t>(i)];
    if (r.name().find(only) == std::string::npos) continue;
    // What is promised is promised of the ops that keep h.
    if (as == output::check && r.kept != report::keeps::h) continue;
    const result got = measure(r, flushes);
#if defined(_OPENMP)
#pragma omp ordered
#endif
    {
      ++done;
      if (as == output::csv) print_csv(r, got);
      if (as == output::markdown) print_markdown(r, got);
      if (as == output::check) {
        const std::string broken = broken_promises(r, got);
        std::fputs(broken.c_str(), stdout);
        failures += !broken.empty();
      }
      std::fflush(stdout);
    }
  }
  if (as == output::check) std::printf("%d rows, %d broken\n", done, failures);
  return failures == 0 ? 0 : 1;
}
