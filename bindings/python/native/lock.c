/* lock: one call at a time on an object of the library. Invariant: whoever works on the object
 * holds its lock; other threads wait without Python's lock, and the thread that holds it is
 * refused, since it would wait for itself. */
#include "native.h"

#include <unistd.h>

/* Nobody can take the lock from a thread of another process. */
static int refuse_reentry(const py_lock *l)
{
    if (l->process == 0) return 0;
    int same = l->process == (long)getpid();
    if (same && l->holder != PyThread_get_thread_ident()) return 0;
    PyErr_Format(PyExc_RuntimeError,
                 same ? "the %s is in use by the call that this function was called from"
                      : "the %s was in use when this process was forked",
                 l->what);
    return -1;
}

int bnorm_py_lock_make(py_lock *l, const char *what)
{
    *l = (py_lock){.what = what, .lock = PyThread_allocate_lock()};
    if (l->lock) return 0;
    PyErr_NoMemory();
    return -1;
}

void bnorm_py_lock_free(py_lock *l)
{
    if (l->lock) PyThread_free_lock(l->lock);
    l->lock = NULL;
}

int bnorm_py_lock_acquire(py_lock *l)
{
    while (!PyThread_acquire_lock(l->lock, NOWAIT_LOCK)) {
        PyLockStatus got;
        if (refuse_reentry(l)) return -1;
        Py_BEGIN_ALLOW_THREADS;
        got = PyThread_acquire_lock_timed(l->lock, 50000, 1);
        Py_END_ALLOW_THREADS;
        if (got == PY_LOCK_ACQUIRED) break;
        if (PyErr_CheckSignals()) return -1;
    }
    l->holder = PyThread_get_thread_ident();
    l->process = (long)getpid();
    return 0;
}

void bnorm_py_lock_release(py_lock *l)
{
    l->process = 0;
    PyThread_release_lock(l->lock);
}
