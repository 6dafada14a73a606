/* SPDX-License-Identifier: MIT */
#define KERNEL_ISA simd128
#include "kernels/sets.h"
#include "kernels/planar.tpl.h"
#include "kernels/planar_wino.tpl.h"
