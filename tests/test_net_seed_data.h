/* seed_data: the question's own data (set.seed(1) in R, its order of calls), row-major, written
 * by R with %a: exact to the bit. y = yhat + u for either divisor of the variance. */
#ifndef BNORM_TESTS_SEED_DATA_H
#define BNORM_TESTS_SEED_DATA_H

static const double seed_x[70] = {
    0x1.8p+1,  0x1.8p+1,  0x1p+0,    -0x1p+2, 0x1.8p+1,  0x1p+2,    0x1p+1,  -0x1.8p+1,
    0x1.8p+1,  -0x1.8p+1, -0x1.4p+2, -0x0p+0, 0x1p+0,    -0x0p+0,   0x1p+1,  -0x0p+0,
    -0x1p+2,   0x1p+1,    0x0p+0,    0x1p+0,  -0x1.8p+1, -0x1p+2,   -0x1p+0, -0x0p+0,
    -0x1p+2,   -0x1.8p+1, 0x0p+0,    0x1p+1,  -0x1.8p+1, 0x1.8p+1,  0x1p+2,  -0x1p+0,
    -0x1.8p+1, 0x1.4p+2,  -0x1p+2,   -0x1p+2, 0x1p+0,    0x1p+0,    0x1p+0,  0x1p+0,
    0x0p+0,    0x1p+2,    -0x1.8p+1, 0x1p+1,  0x1.4p+2,  0x1.4p+2,  0x1p+0,  0x1p+1,
    0x1p+0,    -0x1p+2,   -0x1p+0,   0x1p+1,  -0x0p+0,   -0x1p+2,   0x1p+0,  0x1p+0,
    0x1p+0,    -0x1p+1,   -0x1p+0,   -0x0p+0, -0x1.4p+2, -0x1.8p+1, -0x1p+1, 0x1p+2,
    0x1.4p+2,  -0x1p+0,   -0x1.8p+1, 0x1p+0,  -0x1p+1,   -0x0p+0,
};

static const double seed_g1[28] = {
    -0x1.40be8dcb2f8f7p-1, 0x1.7a05b21cb7b8dp-1,  0x1.1ffb78ffaf144p+0,  0x1.90742b514f078p-1,
    0x1.7819fdbd4cf06p-3,  0x1.26ccd035ff319p-1,  -0x1.70189ba6c5fa7p-5, 0x1.316b0d4faf37ap-4,
    -0x1.abd78373ce57ap-1, -0x1.38b7bbbda8b07p-2, -0x1.0942e2a182cf9p-6, -0x1.fd462719f9aeep+0,
    0x1.986452991e538p+0,  0x1.83041735347ecp+0,  0x1.e33e7ff3590cdp-1,  0x1.3d59cce8da61p-1,
    0x1.516a7c3ee633p-2,   0x1.8f3310bbd0c95p-2,  0x1.a4771abf74e72p-1,  -0x1.cbce7f94917f2p-5,
    -0x1.a4146e9a60afdp-1, -0x1.3e133ed0c00d4p-1, 0x1.3013d57f5c5c4p-1,  -0x1.3f11b6f14e1b5p-3,
    0x1.f32099fd33d41p-2,  -0x1.1b7b4930f0edap+1, 0x1.d68433b9a4863p-1,  -0x1.78833a6d5c861p+0,
};

static const double seed_g2[4] = {
    -0x1.e9a02b0516a73p-2,
    0x1.abf8df52c9a9ep-2,
    0x1.5bd26c4f8faa3p+0,
    -0x1.a504be75e4aecp-4,
};

static const double seed_u[10] = {
    0x1.8cf9c974f0bfap-2,  -0x1.b8c559353ba3dp-5, -0x1.6086f9a1391e5p+0, -0x1.a8f455b58f48ep-2,
    -0x1.93c0bee14f28dp-2, -0x1.e5e53562dadc5p-5, 0x1.199b434570e63p+0,  0x1.86bef8c173717p-1,
    -0x1.50f1bf4aa2bdfp-3, -0x1.03713e88fbd09p-2,
};

static const double seed_y_ddof1[10] = {
    0x1.85fd64c43182p+1,   -0x1.b8c559353ba3dp-5, -0x1.f99a91aee4089p-1, -0x1.a8f455b58f48ep-2,
    -0x1.93c0bee14f28dp-2, -0x1.b20a5073f3466p-2, 0x1.87d958377a778p+0,  0x1.86bef8c173717p-1,
    -0x1.5f6fbbbd11b19p-3, -0x1.03713e88fbd09p-2,
};

static const double seed_y_ddof0[10] = {
    0x1.be07c475f30cdp+1,  -0x1.b8c559353ba3dp-5, -0x1.da52d49ec7a1ap-1, -0x1.a8f455b58f48ep-2,
    -0x1.93c0bee14f28dp-2, -0x1.fb3413c43168fp-2, 0x1.cbd3fbeecb718p+0,  0x1.86bef8c173717p-1,
    -0x1.9927c14e0bf22p-3, -0x1.03713e88fbd09p-2,
};

#endif
