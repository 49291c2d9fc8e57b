// The op-table walk: every op's derivative and batching rule against plain evaluation.
#include "unit/op_examples.h"

static void test_every_op(void **state) {
  (void)state;
  for (int code = 0; code < OP_COUNT; code++) {
    if (!makers[code]) fail_msg("no examples for the op '%s'", op_table[code].text);
    for (int variant = 0;; variant++) {
      Example e = example_create();
      char what[100];
      snprintf(what, sizeof what, "%s, variant %d", op_table[code].text, variant);
      bool made = makers[code](&e, (Opcode)code, variant);
      if (made && e.count) check_example(&e, what);
      example_destroy(&e);
      if (!made) break;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_op),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
