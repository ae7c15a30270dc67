// nvrtc_compiles INCLUDE [TOOLKIT_INCLUDE]: compiles kernels.hpp at run time for three architectures,
// to PTX and to machine code. With the toolkit's folder, with its half types as well. Needs no GPU.
#include <nvrtc.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    std::printf("usage: nvrtc_compiles INCLUDE [TOOLKIT_INCLUDE]\n");
    return 2;
  }
  std::ifstream file(INVACT_TEST_KERNELS);
  std::stringstream kernels;
  kernels << file.rdbuf();
  const bool toolkit = argc == 3;
  const std::string source =
      (toolkit ? "#include <invact/invact.hpp>\n#include <cuda_bf16.h>\n#include <cuda_fp16.h>\n" : std::string()) +
      kernels.str();
  int failures = 0;
  for (const char* arch : {"compute_80", "sm_80", "sm_90a", "sm_100a"}) {
    std::vector<std::string> options = {std::string("--gpu-architecture=") + arch, "--std=c++17",
                                        std::string("-I") + argv[1],
                                        std::string("-DINVACT_TEST_TOOLKIT_HEADERS=") + (toolkit ? "1" : "0")};
    if (toolkit) options.push_back(std::string("-I") + argv[2]);
    if (!toolkit && std::string(arch) == "sm_90a") options.push_back("-DINVACT_TEST_CATALOGUE=1");
    std::vector<const char*> pointers;
    for (const std::string& o : options) pointers.push_back(o.c_str());
    nvrtcProgram program;
    if (nvrtcCreateProgram(&program, source.c_str(), "kernels.cu", 0, nullptr, nullptr) != NVRTC_SUCCESS) return 2;
    const nvrtcResult result = nvrtcCompileProgram(program, static_cast<int>(pointers.size()), pointers.data());
    std::size_t size = 0;
    nvrtcGetProgramLogSize(program, &size);
    std::string log(size, '\0');
    nvrtcGetProgramLog(program, &log[0]);
    std::size_t code = 0;
    if (arch[0] == 's') {
      nvrtcGetCUBINSize(program, &code);
    } else {
      nvrtcGetPTXSize(program, &code);
    }
    std::printf("%s: %s, %zu bytes\n%s", arch, nvrtcGetErrorString(result), code, log.c_str());
    // NVRTC has no option that makes warnings errors.
    if (result != NVRTC_SUCCESS || code < 1000 || log.find("warning") != std::string::npos) ++failures;
    nvrtcDestroyProgram(&program);
  }
  return failures == 0 ? 0 : 1;
}
