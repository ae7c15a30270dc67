// The library's version: the one place it is written. The CMake project reads these three lines.
#pragma once

#define INVACT_VERSION_MAJOR 0
#define INVACT_VERSION_MINOR 1
#define INVACT_VERSION_PATCH 0
