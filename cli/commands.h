/* commands: the subcommands, one file each; each takes a parsed line and returns an exit code.
 */
#ifndef BNORM_CLI_COMMANDS_H
#define BNORM_CLI_COMMANDS_H

#include "options.h"
#include "predictions.h"

int bnorm_cli_fit(cli_args *args);
int bnorm_cli_predict(cli_args *args);
int bnorm_cli_summary(cli_args *args);
int bnorm_cli_check(cli_args *args);
int bnorm_cli_bench(cli_args *args);

#endif
