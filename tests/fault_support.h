/* fault_support: the library's calls of the operating system, made to fail or to be the last thing
 * that the process does. The linker puts these in their place (tests/meson.build: --wrap). */
#ifndef BNORM_TESTS_FAULT_SUPPORT_H
#define BNORM_TESTS_FAULT_SUPPORT_H

#include <stddef.h>

typedef enum fault_call {
    FAULT_OPEN,
    FAULT_READ,
    FAULT_WRITE,
    FAULT_SYNC,
    FAULT_MODE,
    FAULT_CLOSE,
    FAULT_STAT,
    FAULT_RENAME,
    FAULT_UNLINK,
    FAULT_CALLS
} fault_call;

/* What a call gets: an error (errno, > 0; close closes all the same, as Linux does), or one of
 * these; those of reading and writing are nothing to other calls. */
enum {
    FAULT_NONE = 0,
    FAULT_HALF = -1,        /* half of the bytes are read or written */
    FAULT_NOTHING = -2,     /* none are, and that is no error */
    FAULT_KILL_BEFORE = -3, /* SIGKILL before the call */
    FAULT_KILL_WITHIN = -4, /* after half of a write */
    FAULT_KILL_AFTER = -5
};

typedef struct fault {
    long first, last; /* calls of any kind, from 1 */
    int what;
} fault;

/* All zero: nothing happens, calls are counted. */
typedef struct fault_plan {
    fault faults[2];
    size_t chunk; /* bytes that a read or write moves at most; 0: all */
    int full;     /* a full disk: ENOSPC once `room` bytes are written */
    size_t room;
    long calls;             /* so far */
    long made[FAULT_CALLS]; /* so far, of each kind */
    long hits[FAULT_CALLS]; /* those that failed */
    unsigned mode;          /* of the file created last */
    long cut;               /* reads and writes made shorter */
} fault_plan;

extern fault_plan plan;

#endif
