/* describe: a network in words, layer by layer; for the reports of fit and summary. */
#ifndef BNORM_CLI_DESCRIBE_H
#define BNORM_CLI_DESCRIBE_H

#include <stdio.h>

#include "bnorm.h"
#include "json.h"

/* statistics: where the inference statistics come from ("population", "running"), or NULL. */
void bnorm_cli_describe(FILE *file, bnorm_net *net, const char *statistics);
/* The array "layers" and the number "parameters" of an object that is open. */
void bnorm_cli_describe_json(cli_json *json, bnorm_net *net, const char *statistics);

/* Inputs that the frame uses or left out, and classes: "inputs", "constant_inputs", "classes".
 */
void bnorm_cli_describe_frame_json(cli_json *json, const bnorm_frame *frame);

/* A gradient check, block by block, and whether all agree; as JSON: an array "blocks". */
void bnorm_cli_check_print(FILE *file, const bnorm_check_block *report, ptrdiff_t blocks);
void bnorm_cli_check_json(cli_json *json, const bnorm_check_block *report, ptrdiff_t blocks);

#endif
