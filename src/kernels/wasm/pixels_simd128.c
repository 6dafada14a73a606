/* SPDX-License-Identifier: MIT */
#define KERNEL_ISA simd128
#include "kernels/pixels.tpl.h"
