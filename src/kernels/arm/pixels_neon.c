/* SPDX-License-Identifier: MIT */
#define KERNEL_ISA neon
#include "kernels/pixels.tpl.h"
