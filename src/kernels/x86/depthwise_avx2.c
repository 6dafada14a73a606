/* SPDX-License-Identifier: MIT */
#define KERNEL_ISA avx2
#include "kernels/sets.h"
#include "kernels/depthwise.tpl.h"
