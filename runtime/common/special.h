// Special functions that the C library does not have, or not in this form.
//
// Enters: doubles. Leaves: the function's value, within a few units of the last place (near zeros
// of a function with negative arguments: within that of 1), NaN outside its domain. Formulas:
// Abramowitz and Stegun 6.3, 6.4, 7.1. C99, allocates nothing, any number of threads.
#ifndef BLO_COMMON_SPECIAL_H
#define BLO_COMMON_SPECIAL_H

/// log |Gamma(x)|; infinity at 0, -1, -2, ...
double blo_lgamma(double x);
/// The derivative of order n of digamma, itself the derivative of lgamma: polygamma(0, x) is digamma,
/// polygamma(1, x) trigamma. NaN at 0, -1, -2, ... and where n is not 0, 1, 2, ...
double blo_polygamma(double n, double x);
/// y with erf(y) = x: -infinity and infinity at -1 and 1.
double blo_erfinv(double x);

#endif
