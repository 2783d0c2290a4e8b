/* Freestanding: named by an include of cutils.h, not used by what is compiled. */
