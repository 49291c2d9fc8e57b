// Special functions, see special.h. Computed in long double, so that sums of terms of both signs
// keep a double's digits.
#include "common/special.h"

#include <math.h>

#define PI 3.14159265358979323846264338327950288L

double blo_lgamma(double x) {
  int sign; // lgamma() itself writes to a global variable
  return lgamma_r(x, &sign);
}

// --- polygamma -----------------------------------------------------------------------------------

// Bernoulli numbers B2, B4, ...
static const long double bernoulli[] = {1.0L / 6,         -1.0L / 30,      1.0L / 42,
                                        -1.0L / 30,       5.0L / 66,       -691.0L / 2730,
                                        7.0L / 6,         -3617.0L / 510,  43867.0L / 798,
                                        -174611.0L / 330, 854513.0L / 138, -236364091.0L / 2730};
enum { BERNOULLI_COUNT = sizeof bernoulli / sizeof *bernoulli };

// Digamma's derivatives at its positive zero, over factorials; they fall like 1.46^-k, and 26 of
// them are enough within 1/4 of it.
#define DIGAMMA_ZERO      0x1.762d86356be3fp+0L
#define DIGAMMA_ZERO_REST 0x1.b86a722197829p-54L
static const long double digamma_series[] = {
    0.9676722454476211704274L,     -0.4427631689835921060929L,    0.2584997609556510106244L,
    -0.1639427054424065275043L,    0.1078240506912623657572L,     -0.07219956125645471092612L,
    0.04880428816414310722509L,    -0.03316112647484735929226L,   0.02259764823221810465962L,
    -0.0154247659049489591388L,    0.01053879161661217538812L,    -0.00720453438635686824097L,
    0.004926781395729853446354L,   -0.003369801655439328082793L,  0.002305126326734927836938L,
    -0.001576936771430197259271L,  0.001078825201916296580692L,   -0.000738070938996005129566L,
    0.0005049532658346020351774L,  -0.0003454680251063076995556L, 0.0002363560156402705279237L,
    -0.0001617062209197480344936L, 0.0001106337276874741090409L,  -0.00007569179582195065919238L,
    0.00005178575795222080868993L, -0.0000354300709476596063157L};
enum { SERIES_COUNT = sizeof digamma_series / sizeof *digamma_series };

static long double digamma_positive(long double x) {
  long double distance = x - DIGAMMA_ZERO - DIGAMMA_ZERO_REST, sum = 0;
  if (fabsl(distance) < 0.25L) {
    for (int k = SERIES_COUNT - 1; k >= 0; k--) sum = (sum + digamma_series[k]) * distance;
    return sum;
  }
  // psi(x) = psi(x + 1) - 1/x up to where the asymptotic series holds
  for (; x < 12; x += 1) sum -= 1 / x;
  long double square = 1 / (x * x), power = square, tail = 0;
  for (int k = 0; k < BERNOULLI_COUNT; k++, power *= square)
    tail += bernoulli[k] / (2 * (k + 1)) * power;
  return sum + (logl(x) - 0.5L / x - tail);
}

static long double digamma(long double x) {
  if (x > 0) return digamma_positive(x);
  // reflection; the fraction keeps the tangent's digits for large |x|
  long double fraction = x - floorl(x);
  return digamma_positive(1 - x) - PI / tanl(PI * fraction);
}

// Hurwitz' zeta function, the sum of (a + k)^-s over k >= 0, for a > 0 and an integer s >= 2, by
// Euler and Maclaurin.
static long double hurwitz(int s, long double a) {
  long double sum = 0;
  for (int k = 0; a < 12 + s && k < 4000; k++, a += 1) {
    long double term = powl(a, -s);
    sum += term;
    if (term < sum * 1e-22L) return sum;
  }
  long double power = powl(a, -s), square = 1 / (a * a);
  long double tail = a * power / (s - 1) + power / 2, factor = s * power / a / 2;
  for (int k = 0; k < BERNOULLI_COUNT; k++) {
    tail += bernoulli[k] * factor;
    factor *= (s + 2 * k + 1) * (long double)(s + 2 * k + 2) / ((2 * k + 3) * (2 * k + 4)) * square;
  }
  return sum + tail;
}

double blo_polygamma(double n, double x) {
  if (isnan(x) || !(n >= 0) || n != floor(n) || (x <= 0 && x == floor(x))) return NAN;
  if (n == 0) return isinf(x) ? x : (double)digamma(x);
  if (isinf(x)) return n == 1 && x < 0 ? NAN : 0;
  if (n > 1000) return x > 0 && fmod(n, 2) == 0 ? -INFINITY : x > 0 ? INFINITY : NAN;
  int s = (int)n + 1;
  long double sign = s % 2 ? -1 : 1, zeta;
  if (x > 0) {
    zeta = hurwitz(s, x);
  } else { // all integers' terms, without those below x
    long double fraction = (long double)x - floorl(x);
    zeta =
        hurwitz(s, fraction) + sign * (hurwitz(s, 1 - fraction) - hurwitz(s, 1 - (long double)x));
  }
  return (double)(sign * tgammal(s) * zeta);
}

// --- the inverse of erf --------------------------------------------------------------------------

double blo_erfinv(double x) {
  double size = fabs(x);
  if (!(size <= 1)) return NAN;
  if (size == 1) return copysign(INFINITY, x);
  if (size < 1e-8) return (double)(x * (sqrtl(PI) / 2));
  // Winitzki's approximation, then Halley's steps, each of which triples the digits
  long double log_rest = log1pl(-(long double)x * x), a = 0.147L, b = 2 / (PI * a) + log_rest / 2;
  long double y = sqrtl(sqrtl(b * b - log_rest / a) - b), rest = 1 - (long double)size;
  for (int i = 0; i < 3; i++) {
    long double slope = 2 / sqrtl(PI) * expl(-y * y);
    long double error = (size < 0.5 ? erfl(y) - size : rest - erfcl(y)) / slope;
    y -= error / (1 + y * error);
  }
  return copysign((double)y, x);
}
