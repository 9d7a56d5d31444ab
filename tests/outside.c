/* A program outside the tree: legal C and C++, needs nothing but the installed header and
 * library. */
#include <bnorm.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    const double x[6] = {1, 10, 2, 20, 3, 30};
    double y[6], mean[2], rstd[2];
    bnorm_rule rule = {0, 1};
    bnorm_status status =
        bnorm_forward_f64(NULL, bnorm_view_f64(x, 3, 2, BNORM_ROW_MAJOR), NULL, NULL, NULL,
                          rule, bnorm_view_f64(y, 3, 2, BNORM_ROW_MAJOR), mean, rstd);
    if (status != BNORM_OK || strcmp(bnorm_version(), BNORM_VERSION) != 0) {
        printf("outside: %s, version %s\n", bnorm_status_text(status), bnorm_version());
        return 1;
    }
    for (int i = 0; i < 6; i++)
        if (fabs(y[i] - (i / 2 - 1)) > 1e-15) return 1;
    return 0;
}
