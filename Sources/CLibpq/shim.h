#include <libpq-fe.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

/// prctl(2) takes a varying number of arguments, which Swift cannot call.
static inline void pgcaretaker_name_this_thread(const char *name) {
    prctl(PR_SET_NAME, name, 0, 0, 0);
}
