#!/usr/bin/env python3
"""Writes math_coefficients.h: polynomials of math.c, near-minimax by interpolation at Chebyshev nodes.

Needs mpmath. Usage: python3 math_coefficients.py > math_coefficients.h
"""
from mpmath import mp, mpf, cos, exp, expm1, log, sin, pi, sqrt, erf, erfc, matrix, lu_solve

mp.dps = 60


def fit(function, low, high, degree):
    """Coefficients, constant first, of the polynomial through Chebyshev nodes of [low, high]."""
    count = degree + 1
    nodes = [(low + high) / 2 + (high - low) / 2 * cos((2 * i + 1) * pi / (2 * count))
             for i in range(count)]
    system = matrix(count, count)
    values = matrix(count, 1)
    for i, x in enumerate(nodes):
        values[i] = function(x)
        for j in range(count):
            system[i, j] = x ** j
    return list(lu_solve(system, values))


def largest_error(function, coefficients, low, high):
    worst = mpf(0)
    for i in range(1, 400):
        x = low + (high - low) * i / 400
        worst = max(worst, abs(sum(c * x ** j for j, c in enumerate(coefficients)) - function(x)))
    return worst


def declare(name, what, function, low, high, degree):
    low, high = mpf(low), mpf(high)
    coefficients = [mpf(float(c)) for c in fit(function, low, high, degree)]
    error = largest_error(function, coefficients, low, high)
    print("/* %s; error %.1e */" % (what, float(error)))
    print("static const double %s[] = {%s};\n"
          % (name, ", ".join(float(c).hex() for c in coefficients)))


def small(function, series):
    """function(x), or its series near 0 where the formula cancels."""
    return lambda x: series(x) if abs(x) < mpf("1e-12") else function(x)


half_log2 = log(2) / 2 * mpf("1.002")
print("/* Written by math_coefficients.py: lowest degree first. */")
print("#ifndef BLO_EMIT_MATH_COEFFICIENTS_H\n#define BLO_EMIT_MATH_COEFFICIENTS_H\n")
exp_tail = small(lambda r: (expm1(r) - r) / r ** 2, lambda r: mpf(1) / 2 + r / 6)
declare("exp_f64", "(exp(r) - 1 - r) / r^2, |r| <= log(2)/2", exp_tail, -half_log2, half_log2, 9)
declare("exp_f32", "the same for f32", exp_tail, -half_log2, half_log2, 4)
s_end = ((sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1)) ** 2 * mpf("1.001")


def log_tail(z):
    s = sqrt(z)
    return (log((1 + s) / (1 - s)) - 2 * s) / (s * z)


declare("log_f64", "(log((1+s)/(1-s)) - 2s) / s^3 in z = s^2", small(log_tail, lambda z: mpf(2) / 3),
        0, s_end, 6)
declare("log_f64_rest", "(log((1+s)/(1-s)) - 2s - 2/3 s^3) / s^5 in z = s^2",
        small(lambda z: (log_tail(z) - mpf(2) / 3) / z, lambda z: mpf(2) / 5), 0, s_end, 7)
declare("log_f32", "(log(1+f) - f + f^2/2) / f^3",
        small(lambda f: (log(1 + f) - f + f * f / 2) / f ** 3, lambda f: mpf(1) / 3 - f / 4),
        sqrt(mpf(1) / 2) - 1, sqrt(mpf(2)) - 1, 8)
quarter = (pi / 4 * mpf("1.001")) ** 2
declare("sin_f64", "(sin(r) - r) / r^3 in z = r^2",
        small(lambda z: (sin(sqrt(z)) - sqrt(z)) / (sqrt(z) * z), lambda z: -mpf(1) / 6), 0, quarter, 5)
declare("cos_f64", "(cos(r) - 1 + z/2) / z^2 in z = r^2",
        small(lambda z: (cos(sqrt(z)) - 1 + z / 2) / z ** 2, lambda z: mpf(1) / 24), 0, quarter, 5)
declare("erf_small", "(erf(x) / x - 2/sqrt(pi)) / z in z = x^2, |x| <= 1",
        small(lambda z: (erf(sqrt(z)) / sqrt(z) - 2 / sqrt(pi)) / z, lambda z: -2 / (3 * sqrt(pi))),
        0, 1, 13)


def scaled_erfc(t):
    # t = (x - 2) / (x + 2): x = 2 (1 + t) / (1 - t)
    x = 2 * (1 + t) / (1 - t)
    return exp(x * x) * erfc(x)


declare("erf_large", "exp(x^2) erfc(x) in t = (x - 2) / (x + 2), 1 <= x <= 6", scaled_erfc,
        -mpf(1) / 3, mpf(1) / 2, 15)
print("#endif")
