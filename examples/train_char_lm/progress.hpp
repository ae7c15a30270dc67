// A progress bar on standard error: redrawn in place on a terminal, elsewhere a line every tenth.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <mutex>
#include <string>

namespace char_lm {

class progress_bar {
 public:
  explicit progress_bar(long total) : total_(total), terminal_(isatty(STDERR_FILENO) != 0) {}

  // From any thread.
  void tick() {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++done_;
    const long parts = terminal_ ? 200 : 10;
    const long part = done_ * parts / total_;
    if (part == drawn_) return;
    drawn_ = part;
    draw();
  }

 private:
  void draw() const {
    constexpr long width = 40;
    const double elapsed =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const double left = elapsed * static_cast<double>(total_ - done_) / static_cast<double>(done_);
    const long filled = done_ * width / total_;
    const std::string bar = std::string(static_cast<std::size_t>(filled), '#') +
                            std::string(static_cast<std::size_t>(width - filled), '.');
    const bool last = done_ == total_;
    std::fprintf(stderr, "%s[%s] %3ld %%  %4.0f s, %4.0f s left%s", terminal_ ? "\r" : "", bar.c_str(),
                 done_ * 100 / total_, elapsed, left, terminal_ && !last ? "" : "\n");
    std::fflush(stderr);
  }

  std::mutex mutex_;
  long total_;
  long done_ = 0;
  long drawn_ = 0;
  bool terminal_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace char_lm
