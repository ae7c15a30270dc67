// Trains one character-level language model three ways and shows that they are the same training: with
// the activation's input saved, as every framework does, and with invact's two packings. Or, of gated blocks,
// four ways.
#include "equivalence.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "trial.hpp"
#include "variants.hpp"

#include <Eigen/Core>

#include <cctype>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace {

using namespace char_lm;

// Results of every seed, in the order of the variants.
std::vector<std::vector<variant_result>> train(const options& chosen, const corpus& text,
                                               const network_shape& shape,
                                               const std::vector<variant>& contestants) {
  schedule plan;
  plan.steps = chosen.steps;
  progress_bar progress(static_cast<long>(chosen.seeds) * plan.steps);
  std::vector<std::vector<variant_result>> results(static_cast<std::size_t>(chosen.seeds));
  const auto train_seed = [&](int seed) {
    results[static_cast<std::size_t>(seed)] =
        run_trial(text, shape, plan, contestants, static_cast<unsigned>(seed) + 1, [&] { progress.tick(); });
  };
  if (chosen.use_cuda) {
    // There is one GPU, and what is timed has it to itself. Besides, its errors are thrown, which
    // nothing may be out of a parallel loop.
    for (int seed = 0; seed < chosen.seeds; ++seed) train_seed(seed);
    return results;
  }
  // Seeds are independent, so each has a core of its own; what is timed runs on one thread.
#if defined(_OPENMP)
#pragma omp parallel for schedule(dynamic)
#endif
  for (int seed = 0; seed < chosen.seeds; ++seed) train_seed(seed);
  return results;
}

double mean(const std::vector<std::vector<variant_result>>& results, std::size_t v,
            double variant_result::*field) {
  double sum = 0;
  for (const auto& seed : results) sum += seed[v].*field;
  return sum / static_cast<double>(results.size());
}

// Prints the table; returns what is wrong, a line each.
std::vector<std::string> report(const std::vector<variant>& contestants,
                                const std::vector<std::vector<variant_result>>& results) {
  using r = variant_result;
  std::printf("\n%-13s %10s %10s %21s %9s %12s %12s %9s\n", "", "train", "held-out", "held-out, from saved",
              "gradient", "held for the", "peak while", "time per");
  std::printf("%-13s %10s %10s %21s %9s %12s %12s %9s\n", "", "loss", "loss", "90 % interval", "error",
              "backward", "training", "step");
  std::printf("%-13s %10s %10s %21s %9s %12s %12s %9s\n", "", "nats/char", "nats/char", "nats/char", "RMS",
              "bytes/char", "bytes/char", "ms");
  std::vector<std::string> failures;
  for (std::size_t v = 0; v < contestants.size(); ++v) {
    std::string difference = "-";
    std::string gradient = "-";
    if (v > 0) {
      std::vector<double> differences;
      double error = 0;
      for (const auto& seed : results) {
        differences.push_back(seed[v].held_out_loss - seed[0].held_out_loss);
        // std::max would drop a NaN.
        error = seed[v].gradient_error <= error ? error : seed[v].gradient_error;
      }
      const interval i = confidence_interval(differences);
      char text[64];
      std::snprintf(text, sizeof text, "%+.4f to %+.4f", i.low, i.high);
      difference = text;
      std::snprintf(text, sizeof text, "%.2f %%", 100 * error);
      gradient = text;
      const std::string& name = contestants[v].name;
      if (!losses_equivalent(i)) {
        failures.push_back(name + ": the held-out loss differs by " + difference + ", not within +-" +
                           std::to_string(loss_margin).substr(0, 5));
      }
      if (!gradients_equivalent(error)) {
        failures.push_back(name + ": the gradients differ by " + gradient + ", more than " +
                           std::to_string(100 * gradient_bound).substr(0, 1) + " %");
      }
    }
    std::printf("%-13s %10.4f %10.4f %21s %9s %12.0f %12.0f %9.2f\n", contestants[v].name.c_str(),
                mean(results, v, &r::training_loss), mean(results, v, &r::held_out_loss), difference.c_str(),
                gradient.c_str(), mean(results, v, &r::held_bytes), mean(results, v, &r::peak_bytes),
                1e3 * mean(results, v, &r::step_seconds));
  }
  for (std::size_t v = 1; v < contestants.size(); ++v) {
    std::printf("%s: %.1f %% less is held for the backward\n", contestants[v].name.c_str(),
                100 * (1 - mean(results, v, &r::held_bytes) / mean(results, 0, &r::held_bytes)));
  }
  return failures;
}

// What the trained network writes after the held-out part's first window.
std::string sample(const corpus& text, trainer& net, int length) {
  constexpr float temperature_inverse = 1.25f;
  std::mt19937_64 random(1);
  const token* const prompt = text.window(text.held_out().front());
  std::vector<token> written(prompt, prompt + text.context());
  for (int i = 0; i < length; ++i) {
    const batch data(text.context(), {written.end() - static_cast<std::ptrdiff_t>(text.context()), written.end()});
    const std::vector<float> probabilities = net.probabilities(data);
    const Eigen::ArrayXf p =
        Eigen::Map<const Eigen::ArrayXf>(probabilities.data(), text.vocabulary()).pow(temperature_inverse);
    float left = std::uniform_real_distribution<float>(0.0f, p.sum())(random);
    Eigen::Index next = 0;
    while (next + 1 < p.size() && left >= p[next]) left -= p[next++];
    written.push_back(static_cast<token>(next));
  }
  std::string out;
  for (const token t : written) {
    const char c = text.character(t);
    out += c == '\n' || std::isprint(static_cast<unsigned char>(c)) ? c : '?';
  }
  return out;
}

const char* name_of(const options& chosen) {
  if (chosen.block == block_kind::swiglu) return chosen.use_silu ? "SwiGLU" : "GeGLU";
  return chosen.use_silu ? "SiLU" : "GELU";
}

int run(const options& chosen) {
  const corpus text(read_text(chosen.text), static_cast<int>(network_shape{}.context));
  const network_shape shape = shape_with(chosen.block, text.vocabulary());
  const std::vector<variant> contestants =
      (chosen.use_cuda ? cuda_variants : cpu_variants)(chosen.block, chosen.use_silu, chosen.how);
  std::printf("%zu characters, %d of them different, %zu held out; %s, bfloat16; %ld parameters; "
              "%d seeds of %d steps\n",
              text.size(), text.vocabulary(), text.held_out().size(), name_of(chosen),
              static_cast<long>(parameter_layout(shape).size()), chosen.seeds, chosen.steps);
  std::fflush(stdout);

  const auto results = train(chosen, text, shape, contestants);
  const std::vector<std::string> failures = report(contestants, results);

  constexpr std::size_t bitmask = 1;
  std::printf("\nwritten by the %s variant:\n%s\n\n", contestants[bitmask].name.c_str(),
              sample(text, *contestants[bitmask].make(shape, results[0][bitmask].parameters), 400).c_str());
  for (const std::string& failure : failures) std::printf("NOT EQUIVALENT: %s\n", failure.c_str());
  if (failures.empty()) {
    std::printf("equivalent: held-out losses within +-%.3f nats at the 5 %% level, gradients within %.0f %%\n",
                loss_margin, 100 * gradient_bound);
  }
  return failures.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const options chosen = parse(argc, argv);
    if (chosen.help) {
      std::fputs(usage, stdout);
      return 0;
    }
    return run(chosen);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "train_char_lm: %s\n\n%s", error.what(), usage);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train_char_lm: %s\n", error.what());
  }
  return 2;
}
