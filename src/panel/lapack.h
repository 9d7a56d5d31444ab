/* lapack: the routines of LAPACK that src/panel calls, by their Fortran names; those that R's own
 * LAPACK has, too. */
#ifndef BNORM_PANEL_LAPACK_H
#define BNORM_PANEL_LAPACK_H

#include <stddef.h>

extern void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau,
                    double *work, const int *lwork, int *info);
extern void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda,
                    double *s, double *u, const int *ldu, double *vt, const int *ldvt,
                    double *work, const int *lwork, int *iwork, int *info, size_t);
extern void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda,
                   double *w, double *work, const int *lwork, int *info, size_t, size_t);

#endif
