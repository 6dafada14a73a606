/* SPDX-License-Identifier: MIT */
#define KERNEL_ISA neon
#include "kernels/sets.h"
#include "kernels/depthwise.tpl.h"
