library(testthat)
library(bnorm)

test_check("bnorm")
