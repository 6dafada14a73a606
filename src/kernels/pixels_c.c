/* SPDX-License-Identifier: MIT */
#define KERNEL_ISA c
#include "kernels/pixels.tpl.h"
