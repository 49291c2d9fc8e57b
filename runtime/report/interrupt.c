// The one global of the runtime: which instance a signal stops. Only drivers use this file.
#include "report/interrupt.h"
#include <signal.h>
#include <string.h>

static blo_instance *volatile watched;
static volatile sig_atomic_t came;
static struct sigaction previous_interrupt, previous_terminate;

static void stop_watched(int number) {
  blo_instance *instance = watched;
  came = 1;
  if (instance) blo_request_stop(instance);
  signal(number, SIG_DFL);
}

void blo_interrupt_watch(blo_instance *instance) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = stop_watched;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  came = 0;
  watched = instance;
  sigaction(SIGINT, &action, &previous_interrupt);
  sigaction(SIGTERM, &action, &previous_terminate);
}

bool blo_interrupt_came(void) {
  return came;
}

void blo_interrupt_release(void) {
  if (!watched) return;
  sigaction(SIGINT, &previous_interrupt, NULL);
  sigaction(SIGTERM, &previous_terminate, NULL);
  watched = NULL;
}
