// Keeps libdispatch from waking an idle process once a second.
//
// On Linux its first worker starts a timer that looks every second whether workers are blocked, in order to add some
// (src/event/workqueue.c in swift-corelibs-libdispatch); nothing turns it off. A daemon that sleeps for hours would be woken
// 86,400 times a day for it. We need no such help: what blocks has a thread of its own here, and the few short waits that remain
// (SQLite's) wait for the disk and never for another piece of work of the same pool.
//
// The linker option --wrap in Package.swift puts these functions in place of libdispatch's, in a static build; where libdispatch
// is a shared library, as in tests, they are not used. Should a later libdispatch name its functions otherwise, the timer is
// back and nothing else happens; "make bench" counts the wake-ups.

#include "quiet_dispatch.h"

void __wrap__dispatch_workq_worker_register(void *queue);
void __wrap__dispatch_workq_worker_unregister(void *queue);

void __wrap__dispatch_workq_worker_register(void *queue) { (void)queue; }

void __wrap__dispatch_workq_worker_unregister(void *queue) { (void)queue; }
