/* SPDX-License-Identifier: MIT */
#define KERNEL_ISA neon
#include "kernels/planes.tpl.h"
