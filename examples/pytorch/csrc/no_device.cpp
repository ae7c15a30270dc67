#include "calls.hpp"

namespace invact_torch {

int run_on_gpu(const char*, const char*, const char*, const call&) { return no_cuda; }
bool has_cuda() { return false; }
long long workspace_bytes(long long, long long) { return 0; }
const char* cuda_message(int) { return "unknown error"; }

}  // namespace invact_torch
