// How a device benchmark joins Google Benchmark: timed by the race itself, and failing aloud.
#pragma once

#include <benchmark/benchmark.h>

#include <exception>
#include <functional>
#include <string>

namespace bench {

inline bool failed = false;  // a benchmark threw

inline void add(const std::string& name, long iterations, const std::function<void(benchmark::State&)>& run) {
  const auto guarded = [run](benchmark::State& state) {
    try {
      run(state);
    } catch (const std::exception& error) {
      failed = true;
      state.SkipWithError(error.what());
    }
  };
  benchmark::RegisterBenchmark(name.c_str(), guarded)
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond)
      ->Iterations(iterations);
}

// Runs what was added; a program's exit status, which tells what Google Benchmark's does not: that one threw.
inline int run_added(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return failed ? 1 : 0;
}

}  // namespace bench
