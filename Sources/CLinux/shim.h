/* What Linux and its C library have and Swift's own module of them leaves out. */
#include <malloc.h>
#include <sys/timerfd.h>

/* The flags are enumerators of an anonymous type, which Swift cannot add up. */
static const int pgcaretaker_timer_close_on_exec = TFD_CLOEXEC;
static const int pgcaretaker_timer_absolute = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
