/* SPDX-License-Identifier: MIT */
#define KERNEL_ISA avx512
#include "kernels/planes.tpl.h"
