/* SPDX-License-Identifier: MIT */
#define KERNEL_ISA neon
#include "kernels/winograd.tpl.h"
