/* SPDX-License-Identifier: MIT */
#define KERNEL_ISA simd128
#include "kernels/sets.h"
#include "kernels/depthwise.tpl.h"
