/* SPDX-License-Identifier: MIT */
#define KERNEL_ISA avx2
#include "kernels/planes.tpl.h"
