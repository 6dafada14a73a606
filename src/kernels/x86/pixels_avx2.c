/* SPDX-License-Identifier: MIT */
#define KERNEL_ISA avx2
#include "kernels/pixels.tpl.h"
