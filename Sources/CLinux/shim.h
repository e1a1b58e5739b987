/* What Linux and its C library have and Swift's own module of them leaves out. */
#include <malloc.h>
#include <sys/timerfd.h>
#include <sys/types.h>

/* Shown to GNU sources only, which nothing is that Swift compiles. */
ssize_t tee(int from, int to, size_t length, unsigned int flags);
int sync_file_range(int file, __off64_t offset, __off64_t count, unsigned int flags);
static const unsigned int pgcaretaker_splice_nonblocking = 2;       /* SPLICE_F_NONBLOCK */
static const unsigned int pgcaretaker_sync_range_write = 2;         /* SYNC_FILE_RANGE_WRITE */

/* The flags are enumerators of an anonymous type, which Swift cannot add up. */
static const int pgcaretaker_timer_close_on_exec = TFD_CLOEXEC;
static const int pgcaretaker_timer_absolute = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
