/* SPDX-License-Identifier: MIT */
#define KERNEL_ISA c
#include "kernels/planes.tpl.h"
