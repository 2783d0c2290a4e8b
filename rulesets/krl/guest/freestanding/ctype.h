/* Freestanding: named by an include of dtoa.c, not used by it. */
