/* safetensors_write PATH: writes a model whose parameters are known, for safetensors_read.py.
 */
#include <stdio.h>

#include "bnorm.h"

int main(int count, char **arguments)
{
    bnorm_net *net = NULL;
    bnorm_model *model = NULL;
    bnorm_status status = count == 2 ? bnorm_net_create(NULL, 3, &net) : BNORM_E_ARGUMENT;
    if (status == BNORM_OK) status = bnorm_net_dense(NULL, net, 5);
    if (status == BNORM_OK) status = bnorm_net_batchnorm(NULL, net, (bnorm_rule){1e-5, 0});
    if (status == BNORM_OK)
        status = bnorm_net_activation(NULL, net, bnorm_activation_find("tanh"));
    if (status == BNORM_OK) status = bnorm_net_dense(NULL, net, 2);
    if (status == BNORM_OK) status = bnorm_net_start(NULL, net, 1);
    ptrdiff_t n;
    double *parameters = bnorm_net_parameters(net, &n);
    for (ptrdiff_t i = 0; i < n; i++) parameters[i] = (double)i / 10 - 1;
    if (status == BNORM_OK)
        status = bnorm_model_create(NULL, net, NULL, bnorm_loss_find("squared"), &model);
    if (status == BNORM_OK)
        status = bnorm_model_set_text(NULL, model, "data", "made up: \"é\"");
    if (status == BNORM_OK) status = bnorm_model_save(NULL, model, arguments[1]);
    if (status != BNORM_OK) fprintf(stderr, "%s\n", bnorm_status_text(status));
    bnorm_model_destroy(model);
    return status != BNORM_OK;
}
