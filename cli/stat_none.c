/* stat_none: what a command without libreadstat says of tables that need it. */
#include "cli.h"
#include "stat_read.h"

int bnorm_cli_stat_read(bnorm_ctx *ctx, const char *path, bnorm_table **table, ptrdiff_t *rows)
{
    (void)ctx;
    *table = NULL;
    *rows = 0;
    bnorm_cli_say("%s: this bnorm was built without ReadStat, which reads .dta and .sav; "
                  "install libreadstat-dev and build it again, or export the table as CSV",
                  path);
    return CLI_USAGE;
}
